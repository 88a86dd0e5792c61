package segment_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/bench/workload"
	"github.com/flowlog/checkpoint/log/segment"
)

// damageRuns are segments small enough to be damaged in every way.
func damageRuns() []run {
	rng := rand.New(rand.NewPCG(3, 3))
	words := workload.NewWords(3)
	mixed := run{info: infoOf(rng, "a run", 41, 7)}
	for k, h := range headersOf(rng, "a run", "life", 7, true) {
		it := item{Entry: segment.Entry{Seq: uint64(41 + k), Kind: uint8(k % 3), Header: h, Digest: digest(rng), Meta: line(k)}, payload: []byte(words.Text(25 * k))}
		if k%4 != 2 {
			it.Base = it.Seq + 1
		}
		mixed.items = append(mixed.items, it)
	}
	mixed.items[4].payload = []byte(noise(rng, 130))
	one := run{info: infoOf(rng, "r", 1, 1), items: []item{{segment.Entry{Seq: 1, Header: []byte("header")}, []byte("payload")}}}
	none := run{info: infoOf(rng, "r", 1, 1), items: []item{{segment.Entry{Seq: 1}, nil}}}
	small := run{info: infoOf(rng, "r", 1, 130)}
	for k := range uint64(130) {
		payload := fmt.Appendf(nil, `{"step":%d}`, k)
		small.items = append(small.items, item{segment.Entry{Seq: k + 1, Header: []byte("header"), Digest: sha256.Sum256(payload), Hash: digest(rng)}, payload})
	}
	return []run{mixed, one, none, small}
}

// requireRefusedOrSame requires of a segment whose bytes may be damaged that it is
// refused, or is r.
// It is called a hundred thousand times, and so compares by hand.
func requireRefusedOrSame(t testing.TB, c *segment.Codec, r run, index, data []byte, what string, at int) {
	x, err := c.ParseIndex(index)
	if err != nil {
		requireTyped(t, err)
		return
	}
	rd, err := c.NewReader(x, data)
	if err != nil {
		requireTyped(t, err)
		return
	}
	if x.Info() != r.info {
		t.Fatalf("%s %d: info %v", what, at, x.Info())
	}
	bad := false
	for _, it := range r.items {
		e := x.Entries()[it.Seq-r.info.First]
		if !bytes.Equal(it.Header, e.Header) || it.Kind != e.Kind || it.Base != e.Base || !bytes.Equal(it.Meta, e.Meta) {
			t.Fatalf("%s %d: entry %v", what, at, e)
		}
		p, err := rd.Payload(it.Seq)
		digest, digestErr := x.Digest(it.Seq)
		if digestErr != nil && err == nil || digestErr == nil && digest != it.Digest {
			t.Fatalf("%s %d: digest of %d: %v", what, at, it.Seq, digestErr)
		}
		if err != nil {
			bad = true
			requireTyped(t, err)
			continue
		}
		if !bytes.Equal(it.payload, p) {
			t.Fatalf("%s %d: payload of %d: %q", what, at, it.Seq, p)
		}
	}
	if err := rd.Check(); bad != (err != nil) {
		t.Fatalf("%s %d: %v", what, at, err)
	}
}

func TestEveryFlippedBit(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{BlockSize: 128})
	for _, r := range damageRuns() {
		index, data := mustWrite(t, c, r)
		require.LessOrEqual(t, len(index)+len(data), 8<<10)
		for bit := range 8 * len(index) {
			b := bytes.Clone(index)
			b[bit/8] ^= 1 << (bit % 8)
			requireRefusedOrSame(t, c, r, b, data, "index, bit", bit)
			// With a checksum that fits, every rule behind it has to hold by itself.
			requireBounded(t, c, reseal(b))
		}
		for bit := range 8 * len(data) {
			b := bytes.Clone(data)
			b[bit/8] ^= 1 << (bit % 8)
			requireRefusedOrSame(t, c, r, index, b, "data, bit", bit)
		}
		o := open(t, index)
		for bit := range 8 * len(o.table) {
			b := bytes.Clone(o.table)
			b[bit/8] ^= 1 << (bit % 8)
			requireBounded(t, c, made{b, o.tail}.seal())
		}
	}
}

func TestEveryTruncation(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{BlockSize: 128})
	for _, r := range damageRuns() {
		index, data := mustWrite(t, c, r)
		x, err := c.ParseIndex(index)
		require.NoError(t, err)
		refuse := func(b []byte) {
			_, err := c.ParseIndex(b)
			requireTyped(t, err)
		}
		refuseData := func(b []byte) {
			_, err := c.NewReader(x, b)
			requireTyped(t, err)
		}
		for n := range index {
			refuse(index[:n])
			refuse(index[n+1:])
			refuse(reseal(bytes.Clone(index[:n])))
		}
		for n := range data {
			refuseData(data[:n])
			refuseData(data[n+1:])
		}
		refuse(append(bytes.Clone(index), 0))
		refuse(reseal(append(bytes.Clone(index), 0)))
		refuseData(append(bytes.Clone(data), 0))
		o := open(t, index)
		for n := range o.table {
			refuse(made{o.table[:n], o.tail}.seal())
		}
		for n := range o.tail {
			refuse(made{o.table, o.tail[:n]}.seal())
		}
	}
}

// twins are segments alike in everything but some bytes of payloads that don't
// compress, so that their blocks are of the same lengths.
func twins() (a, b run) {
	make := func(seed uint64) run {
		rng := rand.New(rand.NewPCG(5, 5))
		r := run{info: infoOf(rng, "run", 1, 8)}
		for k, h := range headers(rng, "run", "life", 8) {
			r.items = append(r.items, item{Entry: segment.Entry{Seq: uint64(k + 1), Header: h}})
		}
		rng = rand.New(rand.NewPCG(seed, 5))
		for k := range r.items {
			r.items[k].payload = []byte(noise(rng, 100))
		}
		return r
	}
	return make(1), make(2)
}

func TestForeignParts(t *testing.T) {
	t.Parallel()
	c := newCodec(t, segment.Options{BlockSize: 200})
	ra, rb := twins()
	ia, da := mustWrite(t, c, ra)
	ib, db := mustWrite(t, c, rb)
	require.Len(t, da, len(db))

	x, err := c.ParseIndex(ia)
	require.NoError(t, err)
	_, err = c.NewReader(x, db)
	require.ErrorIs(t, err, segment.ErrCorrupt, "data of another segment")
	_, err = c.NewReader(x, ia)
	require.ErrorIs(t, err, segment.ErrCorrupt, "an index for data")
	_, err = c.ParseIndex(da)
	require.ErrorIs(t, err, segment.ErrCorrupt, "data for an index")

	// Another's blocks behind the right prologue, all of them and each by itself.
	all := append(bytes.Clone(da[:sumEnd]), db[sumEnd:]...)
	requireRefusedOrSame(t, c, ra, ia, all, "all blocks of another segment", 0)
	for at := sumEnd; at < len(da); at += 200 {
		b := bytes.Clone(da)
		copy(b[at:at+200], db[at:])
		requireRefusedOrSame(t, c, ra, ia, b, "a block of another segment at", at)
		rd, err := c.NewReader(x, b)
		require.NoError(t, err)
		require.ErrorIs(t, rd.Check(), segment.ErrCorrupt)

		b = bytes.Clone(da)
		copy(b[sumEnd:], da[at:at+200])
		copy(b[at:at+200], da[sumEnd:])
		requireRefusedOrSame(t, c, ra, ia, b, "two blocks in each other's place, at", at)
	}
	requireRefusedOrSame(t, c, rb, ib, db, "the other itself", 0)
}
