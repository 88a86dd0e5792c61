package log_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// indexSpaces are the spaces of the entries that index visits.
const indexSpaces = "adv"

// storedIndex returns the entries of a run that index visits, as text by key.
func storedIndex(t require.TestingT, b driver.Backend, run string) map[string]string {
	entries, err := b.Entries(context.Background(), driver.EntriesRequest{Run: run, Limit: math.MaxInt32})
	require.NoError(t, err)
	have := map[string]string{}
	for _, e := range entries {
		for _, space := range []byte(indexSpaces) {
			if e.Key[0] == space {
				have[fmt.Sprintf("%c %x", e.Key[0], e.Key[1:])] = fmt.Sprintf("%x", e.Value)
			}
		}
	}
	return have
}

// requireIndex holds the index of visits to one that is made anew of the run's events, and
// of its anchor.
func requireIndex(t require.TestingT, b driver.Backend, l *log.Log, run string) {
	ctx := context.Background()
	key := func(role log.Role, node string) string {
		sum := sha256.Sum256([]byte(string(role) + "\x00" + node))
		return fmt.Sprintf("%x", sum[:8])
	}
	want := map[string]string{}
	a, err := l.Anchor(ctx, run)
	require.NoError(t, err)
	for node, n := range a.Visits {
		want["a "+key(log.Recoverable, node)] = fmt.Sprintf("%x", binary.AppendUvarint(nil, uint64(n)))
	}
	for name, n := range a.Others {
		var role, node string
		_, err := fmt.Sscanf(name, "%s %s", &role, &node)
		require.NoError(t, err)
		want["a "+key(log.Role(role), node)] = fmt.Sprintf("%x", binary.AppendUvarint(nil, uint64(n)))
	}
	type entry struct{ n, seq, more, newest uint64 }
	block := map[string]*entry{}
	for ev, err := range l.History(ctx, run, log.HistoryOptions{HeadersOnly: true}) {
		require.NoError(t, err)
		k := key(ev.Role, ev.NodeID)
		if e := block[k]; e != nil {
			e.more++
		} else {
			block[k] = &entry{n: ev.Visit, seq: ev.Seq}
		}
		if ev.Role == log.Recoverable && !ev.Pruned {
			block[k].newest = ev.Seq
		}
		if ev.Seq%64 > 0 {
			continue
		}
		for k, e := range block {
			value := binary.AppendUvarint(binary.AppendUvarint(nil, e.seq), e.more)
			space, first := "d", fmt.Sprintf("%02x", e.n)
			if e.newest > 0 {
				space, value = "v", binary.AppendUvarint(value, e.newest-e.seq)
			}
			switch {
			case e.n >= 1<<8:
				first = fmt.Sprintf("f1%04x", e.n)
			case e.n >= 240:
				first = "f0" + first
			}
			for ; value[len(value)-1] == 0; value = value[:len(value)-1] {
			}
			want[fmt.Sprintf("%s %s%s", space, k, first)] = fmt.Sprintf("%x", value)
		}
		clear(block)
	}
	require.Equal(t, want, storedIndex(t, b, run))
}

// TestForgedIndex changes each entry of the index of visits: Verify finds it.
func TestForgedIndex(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	for i := range 300 {
		a := tiny("run", fmt.Sprint("node-", i%7))
		if i%10 == 9 {
			a = failed("run", fmt.Sprint("node-", i%3))
		}
		add(t, l, a)
	}
	_, err := l.Prune(t.Context(), "run", span(110, 140), "test")
	require.NoError(t, err)
	_, err = l.TruncateFront(t.Context(), "run", 70, "test")
	require.NoError(t, err)
	requireIntact(t, l, "run")
	requireIndex(t, b, l, "run")
	index := storedIndex(t, b, "run")
	for _, space := range indexSpaces {
		require.Contains(t, fmt.Sprint(index), string(space)+" ")
	}
	for name, change := range map[string]func(e *driver.Entry) bool{
		"missing":        func(*driver.Entry) bool { return false },
		"another value":  func(e *driver.Entry) bool { e.Value[0]++; return true },
		"a byte more":    func(e *driver.Entry) bool { e.Value = append(e.Value, 0); return true },
		"empty":          func(e *driver.Entry) bool { e.Value = nil; return true },
		"another key":    func(e *driver.Entry) bool { e.Key[8]++; return true },
		"a longer key":   func(e *driver.Entry) bool { e.Key = append(e.Key, 0); return true },
		"another number": func(e *driver.Entry) bool { e.Key[len(e.Key)-1]++; return true },
	} {
		for at := range index {
			struck := false
			b.onEntry = func(_ string, e *driver.Entry) bool {
				if fmt.Sprintf("%c %x", e.Key[0], e.Key[1:]) != at {
					return true
				}
				struck = true
				return change(e)
			}
			rep, err := l.Verify(t.Context(), "run")
			require.NoError(t, err)
			require.True(t, struck)
			require.False(t, rep.Intact(), "%s of %s", name, at)
			require.ErrorIs(t, rep.Problems[0], log.ErrCorrupt)
		}
	}
	// One that nothing speaks of.
	for _, space := range indexSpaces {
		key := append([]byte{byte(space)}, 1, 2, 3, 4, 5, 6, 7, 8)
		value := []byte{1}
		if space != 'a' {
			key, value = append(key, 0, 0, 0, 1), []byte{100, 0}
		}
		if space == 'v' {
			value = append(value, 0)
		}
		b.onEntry = nil
		extra := &extraEntry{b, driver.Entry{Key: key, Value: value}}
		rep, err := open(t, extra, log.Options{}).Verify(t.Context(), "run")
		require.NoError(t, err)
		require.False(t, rep.Intact(), "%c", space)
	}
}

// extraEntry is a storage with an entry more, at the end of the range of its space.
type extraEntry struct {
	*tapped
	extra driver.Entry
}

func (b *extraEntry) Entries(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
	es, err := b.tapped.Entries(ctx, req)
	if string(req.From) <= string(b.extra.Key) && (req.To == nil || string(b.extra.Key) < string(req.To)) && len(es) < req.Limit {
		es = append(es, b.extra)
	}
	return es, err
}

// TestVisitsBehindAnAnchor: visits go on being counted where all of a node's were dropped,
// also in another process and after an import.
func TestVisitsBehindAnAnchor(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	for i := range 100 {
		add(t, l, tiny("run", fmt.Sprint("node-", min(i/20, 3))))
	}
	add(t, l, failed("run", "node-0"))
	add(t, l, tiny("run", "last"))
	_, err := l.TruncateFront(t.Context(), "run", 102, "test")
	require.NoError(t, err)
	p := pack(t, l, "run")
	far := open(t, newTapped(t), log.Options{})
	_, err = unpack(t.Context(), far, p, nil)
	require.NoError(t, err)
	for _, l := range []*log.Log{l, another(t, b), far} {
		run, err := l.Run(t.Context(), "run")
		require.NoError(t, err)
		n := run.Last - 102
		for node, want := range map[string]uint64{"node-0": 20, "node-1": 20, "node-3": 40, "never": 0} {
			require.Equal(t, want+n/5+1, add(t, l, tiny("run", node)).Visit, node)
		}
		require.Equal(t, 1+n/5+1, add(t, l, failed("run", "node-0")).Visit)
		requireIntact(t, l, "run")
		_, err = l.Visit(t.Context(), "run", "node-0", 20, log.Position{})
		require.ErrorIs(t, err, log.ErrDropped)
		ev, err := l.Visit(t.Context(), "run", "node-0", 21, log.Position{})
		require.NoError(t, err)
		require.Greater(t, ev.Seq, uint64(102))
	}
}

// TestVerifyCountsVisits: an event that was given a wrong number, because the index was
// damaged then, is found although all hashes are right.
func TestVerifyCountsVisits(t *testing.T) {
	t.Parallel()
	for _, space := range []byte("va") {
		b := newTapped(t)
		l := another(t, b)
		for i := range 130 {
			add(t, l, tiny("run", fmt.Sprint("node-", i/64)))
		}
		if space == 'a' {
			_, err := l.TruncateFront(t.Context(), "run", 130, "test")
			require.NoError(t, err)
		}
		requireIntact(t, l, "run")
		b.onEntry = func(_ string, e *driver.Entry) bool { return e.Key[0] != space }
		require.EqualValues(t, 1, add(t, open(t, b, log.Options{}), tiny("run", "node-0")).Visit)
		rep, err := l.Verify(t.Context(), "run")
		require.NoError(t, err)
		require.EqualValues(t, 131, rep.BrokenAt)
		require.ErrorContains(t, rep.Problems[0], `visit of node "node-0" (want 65, have 1)`)
	}
}

// TestIndexMeetsAFullBlock: an append that fills a block while states of the block are
// being dropped, or events before it, is in the index as the run is then.
func TestIndexMeetsAFullBlock(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]func(l *log.Log) error{
		"prune": func(l *log.Log) error {
			_, err := l.Prune(context.Background(), "run", []uint64{60, 62}, "test")
			return err
		},
		"redact": func(l *log.Log) error {
			_, err := l.Redact(context.Background(), "run", []uint64{60, 62}, "test")
			return err
		},
		"truncate": func(l *log.Log) error { _, err := l.TruncateFront(context.Background(), "run", 61, "test"); return err },
		"seal": func(l *log.Log) error {
			_, err := l.Seal(context.Background(), "run", log.SealOptions{Whole: true})
			return err
		},
		"label": func(l *log.Log) error { return l.Label(context.Background(), "run", 63, "a", "b") },
	} {
		for _, sealed := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " sealed ", sealed), func(t *testing.T) {
				t.Parallel()
				b := newTapped(t)
				l, other := open(t, erasable{b}, log.Options{}), another(t, b)
				for i := range 63 {
					add(t, l, event("run", fmt.Sprint("node-", i)))
				}
				if sealed {
					_, err := l.Seal(t.Context(), "run", log.SealOptions{Whole: true})
					require.NoError(t, err)
				}
				b.meanwhile(func() { add(t, other, event("run", "fills")) })
				require.NoError(t, drop(l))
				requireIntact(t, l, "run")
				requireIndex(t, b, l, "run")
				for _, l := range []*log.Log{l, other} {
					add(t, l, event("run", "node-62"))
				}
				requireIntact(t, l, "run")
				requireIndex(t, b, l, "run")
			})
		}
	}
}

// TestByName: a name like that of a visit means a node of that id if the run has or had one,
// also in another process and after an import, and else the visit.
func TestByName(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	seq := func(l *log.Log, name string, at uint64) uint64 {
		ev, err := l.ByName(t.Context(), "run", name, log.Position{Seq: at})
		require.NoError(t, err, name)
		return ev.Seq
	}
	for range 70 {
		add(t, l, event("run", "x"))
	}
	require.EqualValues(t, 2, seq(l, "x#2", 0))
	require.EqualValues(t, 70, seq(l, "x", 0))
	named := add(t, another(t, b), event("run", "x#2"))
	require.EqualValues(t, 71, named.Seq)
	for range 70 {
		add(t, l, event("run", "y"))
	}
	for _, l := range []*log.Log{l, another(t, b)} {
		require.EqualValues(t, 71, seq(l, "x#2", 0), "the node of that id")
		_, err := l.ByName(t.Context(), "run", "x#2", log.Position{Seq: 70})
		require.ErrorIs(t, err, log.ErrOtherLine)
		require.EqualValues(t, 3, seq(l, "x#3", 0))
		require.EqualValues(t, 71, seq(l, "x#2#1", 0), "its first visit")
	}
	for _, name := range []string{"x#71", "z#1", "z", "x#0", "#1"} {
		_, err := l.ByName(t.Context(), "run", name, log.Position{})
		require.ErrorIs(t, err, log.ErrNotFound, name)
	}
	requireIntact(t, l, "run")

	other := newTapped(t)
	to := open(t, other, log.Options{})
	_, err := unpack(t.Context(), to, pack(t, l, "run"), nil)
	require.NoError(t, err)
	require.EqualValues(t, 71, seq(to, "x#2", 0))
	requireIntact(t, to, "run")

	// Verify misses the head's word of it, and a damaged head is no reason to miss the node.
	untold := open(t, &heads{b, "run", func(h *driver.Head) {
		h.Data = bytes.Replace(h.Data, []byte(`"like_visits":true`), []byte(`"like_visits":false`), 1)
		h.Sum = log.HeadSum(h)
	}}, log.Options{})
	rep, err := untold.Verify(t.Context(), "run")
	require.NoError(t, err)
	require.EqualValues(t, 71, rep.BrokenAt)
	damaged := open(t, &heads{b, "run", func(h *driver.Head) { h.Sum++ }}, log.Options{})
	require.EqualValues(t, 71, seq(damaged, "x#2", 0))
}
