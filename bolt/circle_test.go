package bolt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

// branches returns the branch pages of a file, with how many children each has, and the
// pages that lead to each page.
func branches(file []byte, page int) (count map[int]int, parents map[int][]int) {
	count, parents = map[int]int{}, map[int][]int{}
	order := binary.NativeEndian
	for id := 2; id < len(file)/page; id++ {
		p := file[id*page:]
		if order.Uint64(p) != uint64(id) || order.Uint16(p[8:]) != 1 {
			continue
		}
		n := int(order.Uint16(p[10:]))
		if n == 0 || n > (page-16)/16 {
			continue
		}
		count[id] = n
		for i := range n {
			child := int(order.Uint64(p[16+i*16+8:]))
			parents[child] = append(parents[child], id)
		}
	}
	return count, parents
}

// TestPagesInCircles has branch pages lead to themselves, to those above them, and to other
// pages.
func TestPagesInCircles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	b, err := bolt.Open(path, bolt.Options{Durability: driver.Off})
	require.NoError(t, err)
	someRuns(t, b, 3)
	for i := range 600 {
		id := fmt.Sprintf("a-run-with-a-long-name-%0300d", i)
		apply(t, b, driver.Change{Run: id, Head: row(1), Append: records(id, 1, 1, 30)})
	}
	apply(t, b, driver.Change{Run: "long", Head: row(1), Append: records("long", 1, 200, 1500)})
	all := map[string]string{}
	require.NoError(t, readAll(b, path, func(key, value string) { all[key] = value }))
	require.NoError(t, b.Close())
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	page := os.Getpagesize()
	count, parents := branches(file, page)
	require.Greater(t, len(count), 4)
	deep := false
	whole, tries := 0, 0
	for _, id := range slices.Sorted(maps.Keys(count)) {
		n := count[id]
		targets := map[int]bool{id: true, 0: true, 1: true, 2: true, len(file) / page: true, 1 << 40: true}
		for _, above := range parents[id] {
			targets[above] = true
			for _, above := range parents[above] {
				targets[above], deep = true, true
			}
		}
		for _, target := range slices.Sorted(maps.Keys(targets)) {
			for _, child := range []int{0, n / 2, n - 1} {
				if tries++; tries%8 > 0 {
					continue
				}
				damaged := bytes.Clone(file)
				order, elem := binary.NativeEndian, damaged[id*page+16+child*16:]
				order.PutUint64(elem[8:], uint64(target))
				if child+1 < n && tries%16 == 0 { // with the same first key as the next
					order.PutUint32(elem, order.Uint32(elem[16:])+16)
					order.PutUint32(elem[4:], order.Uint32(elem[20:]))
				}
				at := filepath.Join(t.TempDir(), "damaged.db")
				require.NoError(t, os.WriteFile(at, damaged, 0o600))
				what := fmt.Sprintf("child %d of page %d is %d", child, id, target)
				done := make(chan struct{})
				go func() {
					defer close(done)
					if readDamaged(t, at, all, tries%16 == 0, what) {
						whole++
					}
					maintainDamaged(t, at, what)
				}()
				select {
				case <-done:
				case <-time.After(30 * time.Second):
					panic(what + ": it does not end") // a goroutine that can't be stopped takes all memory
				}
				require.NoError(t, os.Remove(at))
			}
		}
	}
	require.Positive(t, inlineBranches(t, file, page, func(damaged []byte, what string) {
		at := filepath.Join(t.TempDir(), "damaged.db")
		require.NoError(t, os.WriteFile(at, damaged, 0o600))
		late := time.AfterFunc(30*time.Second, func() { panic(what + ": it does not end") })
		readDamaged(t, at, all, false, what)
		maintainDamaged(t, at, what)
		late.Stop()
	}))
	require.True(t, deep, "a tree of three levels")
	require.Less(t, whole, tries/16)
	t.Logf("%d of %d tries left all whole", whole, tries/8)
}

// inlineBranches makes branch pages of pages of small buckets that are within a leaf, and
// returns how many.
func inlineBranches(t *testing.T, file []byte, page int, try func(damaged []byte, what string)) (n int) {
	order := binary.NativeEndian
	for id := 2; id < len(file)/page && n < 5; id++ {
		p := file[id*page : (id+1)*page]
		if order.Uint64(p) != uint64(id) || order.Uint16(p[8:]) != 2 {
			continue
		}
		for i := range min(int(order.Uint16(p[10:])), (page-16)/16) {
			at := 16 + i*16
			value := at + int(order.Uint32(p[at+4:])+order.Uint32(p[at+8:]))
			if order.Uint32(p[at:]) != 1 || value+48 > page || order.Uint64(p[value:]) != 0 {
				continue
			}
			damaged := bytes.Clone(file)
			inline := damaged[id*page+value+16:]
			order.PutUint16(inline[8:], 1)
			clear(inline[16:32])
			try(damaged, fmt.Sprintf("bucket %d in page %d", i, id))
			n++
			break
		}
	}
	return n
}

// maintainDamaged does what goes through whole files.
func maintainDamaged(t *testing.T, path, what string) {
	b, err := bolt.Open(path, bolt.Options{Durability: driver.Off})
	if err != nil {
		return // readDamaged has looked at it
	}
	ctx := context.Background()
	known := func(err error) {
		if err != nil {
			require.ErrorIs(t, err, driver.ErrCorrupt, what)
		}
	}
	known(b.Check(ctx))
	for _, id := range []string{"run-0", "long"} {
		if h, err := b.Head(ctx, driver.HeadRequest{Run: id}); err == nil {
			results, err := b.Apply(ctx, request(driver.Change{Run: id, Revision: h.Revision, Drop: true}))
			if err == nil {
				err = results[0].Err
			}
			known(err)
		}
	}
	for range 50 {
		res, err := b.Purge(ctx, driver.PurgeRequest{})
		known(err)
		if err != nil || !res.More {
			break
		}
	}
	_, _, err = b.Space(ctx)
	known(err)
	_, err = b.Reclaim(ctx, nil)
	known(err)
	_ = b.Close()
}
