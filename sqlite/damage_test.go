package sqlite_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/sqlite"
)

// The checksums by which an engine finds out about damage: of a record without its state,
// of a state, of a row, and of the contents of segments and entries.

func recordSum(r driver.Record) uint32 {
	r.Sum, r.State, r.StateLen = 0, nil, 0
	return crc32.ChecksumIEEE(fmt.Appendf(nil, "%+v", r))
}

func headSum(h driver.Head) uint32 {
	h = driver.Head{Run: h.Run, Life: h.Life, Suite: h.Suite, Tail: h.Tail, Data: h.Data}
	return crc32.ChecksumIEEE(fmt.Appendf(nil, "%+v", h))
}

func guarded(content string) []byte {
	sum := sha256.Sum256([]byte(content))
	return append(sum[:], content...)
}

func intact(b []byte) bool {
	if len(b) < 32 {
		return false
	}
	sum := sha256.Sum256(b[32:])
	return bytes.Equal(b[:32], sum[:])
}

const (
	sealedEvents = 10 // of a run that fill makes
	filledEvents = 30
)

// fill writes a run of 30 events, ten of which are sealed, with an entry for each, and
// returns their states by seq.
func fill(t *testing.T, path, run string) map[uint64]string {
	t.Helper()
	b, err := sqlite.Open(path, sqlite.Options{Durability: driver.Off})
	require.NoError(t, err)
	noise := rand.NewChaCha8(sha256.Sum256([]byte(run)))
	states := map[uint64]string{}
	h := &driver.Head{Recency: 5, Tail: 1, Suite: 2, Data: []byte(`{"of":"` + run + `"}`)}
	noise.Read(h.Life[:])
	write := func(c driver.Change) {
		t.Helper()
		if c.Head != nil {
			sum := *c.Head
			sum.Run = run
			c.Head.Sum = headSum(sum)
		}
		c.Run = run
		if have, err := b.Head(t.Context(), driver.HeadRequest{Run: run}); err == nil {
			c.Revision = have.Revision
		}
		require.NoError(t, apply(t, b, c).Err)
	}
	for seq := uint64(1); seq <= filledEvents; seq++ {
		state := make([]byte, 600+seq*seq*10)
		noise.Read(state)
		r := driver.Record{
			Seq: seq, Recency: seq * 1e8, Encoding: driver.Plain, Base: seq / 2, Links: 3, Recoverable: seq, Tip: seq - seq/10, Since: 1, Bytes: int64(seq) << 12, Stored: int64(seq) << 11,
			Header: fmt.Appendf(nil, `{"node":"node-%d"}`, seq), State: state, StateHash: sha256.Sum256(state),
		}
		noise.Read(r.Hash[:])
		r.Sum = recordSum(r)
		c := driver.Change{Append: []driver.Record{r}, Put: []driver.Entry{{Key: fmt.Appendf(nil, "%03d", seq), Value: guarded(fmt.Sprint(run, " note ", seq))}}}
		if seq == 1 {
			c.Head = h
		}
		write(c)
		states[seq] = string(state)
	}
	sealed := *h
	sealed.Tail = sealedEvents + 1
	write(driver.Change{Head: &sealed, Add: []driver.Segment{
		{First: 1, Last: sealedEvents / 2, Index: guarded(run + " index 1"), Data: guarded(run + " data 1")},
		{First: sealedEvents/2 + 1, Last: sealedEvents, Index: guarded(run + " index 2"), Data: guarded(run + " data 2")},
	}})
	purge(t, b)
	require.NoError(t, b.Close())
	return states
}

// reading reads a file that may be damaged. Nothing that it was not given before, and
// that its checksum allows, may be in it.
type reading struct {
	*testing.T
	b      *sqlite.Backend
	what   string
	run    string
	states map[uint64]string
	whole  bool
}

// expect expects an error to speak of damage, and notes it.
func (r *reading) expect(err error) {
	r.Helper()
	if err == nil {
		return
	}
	r.whole = false
	require.True(r, errors.Is(err, driver.ErrCorrupt) || errors.Is(err, driver.ErrNotFound), "%s: %v", r.what, err)
	if errors.Is(err, driver.ErrCorrupt) {
		require.ErrorContains(r, err, "corrupt")
	}
}

func (r *reading) must(ok bool) { r.whole = r.whole && ok }

func (r *reading) all() {
	ctx := context.Background()
	h, err := r.b.Head(ctx, driver.HeadRequest{Run: r.run, Tip: true})
	r.expect(err)
	r.must(err == nil && h.Sum == headSum(h) && h.Last != nil && h.Last.Seq == filledEvents && h.Last.Sum == recordSum(*h.Last))
	r.must(h.Tip != nil && r.state(*h.Tip))
	heads, err := r.b.Heads(ctx, driver.HeadsRequest{Newest: true, Limit: 10})
	r.expect(err)
	r.must(len(heads) == 2)
	for _, req := range []driver.RecordsRequest{{Limit: 100}, {Limit: 100, Reverse: true}, {Limit: 100, HeadersOnly: true}} {
		req.Run, req.From, req.To = r.run, 1, driver.MaxSeq
		recs, err := r.b.Records(ctx, req)
		r.expect(err)
		r.must(len(recs) == filledEvents-sealedEvents)
		for _, rec := range recs {
			r.must(rec.Sum == recordSum(rec))
			r.must(req.HeadersOnly || r.state(rec))
		}
	}
	for seq := uint64(1); seq <= sealedEvents; seq++ {
		s, err := r.b.Segment(ctx, driver.SegmentRequest{Run: r.run, Seq: seq})
		r.expect(err)
		r.must(intact(s.Index) && intact(s.Data) && s.First <= seq && seq <= s.Last)
	}
	segs, err := r.b.Segments(ctx, driver.SegmentsRequest{Run: r.run, To: driver.MaxSeq, Limit: 10})
	r.expect(err)
	r.must(len(segs) == 2)
	entries, err := r.b.Entries(ctx, driver.EntriesRequest{Run: r.run, Limit: 100})
	r.expect(err)
	r.must(len(entries) == filledEvents)
	for _, e := range entries {
		r.must(intact(e.Value))
	}
}

// state reports whether a record is whole. Then it must be what was written.
func (r *reading) state(rec driver.Record) bool {
	if rec.Sum != recordSum(rec) || sha256.Sum256(rec.State) != rec.StateHash {
		return false
	}
	require.True(r, r.states[rec.Seq] == string(rec.State), "%s: %s seq %d is another state", r.what, r.run, rec.Seq)
	return true
}

// readDamaged reads all that a damaged file still gives and returns the runs of which
// everything was there.
func readDamaged(t *testing.T, path string, states map[string]map[uint64]string, what string) map[string]bool {
	t.Helper()
	whole := map[string]bool{}
	b, err := sqlite.Open(path, sqlite.Options{Durability: driver.Off})
	if err != nil {
		require.True(t, errors.Is(err, driver.ErrCorrupt) || errors.Is(err, driver.ErrInvalid) || errors.Is(err, driver.ErrUnsupportedVersion), "%s: %v", what, err)
		require.ErrorContains(t, err, path)
		return whole
	}
	defer b.Close()
	for run := range states {
		r := &reading{T: t, b: b, what: what, run: run, states: states[run], whole: true}
		r.all()
		whole[run] = r.whole
	}
	return whole
}

// twoRuns makes a file with two runs and returns its bytes and the states.
func twoRuns(t *testing.T) ([]byte, map[string]map[uint64]string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	states := map[string]map[uint64]string{"one": fill(t, path, "one"), "two": fill(t, path, "two")}
	require.Equal(t, map[string]bool{"one": true, "two": true}, readDamaged(t, path, states, "undamaged"))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b, states
}

func TestDamagedPages(t *testing.T) {
	t.Parallel()
	const page = 4096
	file, states := twoRuns(t)
	require.Zero(t, len(file)%page)
	r := rand.New(rand.NewPCG(1, 1))
	damages := map[string]func(page []byte){
		"ones":  func(p []byte) { copy(p, bytes.Repeat([]byte{0xff}, len(p))) },
		"zeros": func(p []byte) { clear(p) },
		"flips": func(p []byte) {
			for range 3 {
				p[r.IntN(len(p))] ^= 1 << r.IntN(8)
			}
		},
		"half": func(p []byte) { clear(p[len(p)/2:]) },
	}
	path := filepath.Join(t.TempDir(), "damaged.db")
	read := map[string]int{}
	for how, damage := range damages {
		for n := range len(file) / page {
			b := bytes.Clone(file)
			damage(b[n*page : (n+1)*page])
			require.NoError(t, os.WriteFile(path, b, 0o600))
			for run, whole := range readDamaged(t, path, states, fmt.Sprint(how, " in page ", n+1)) {
				if whole {
					read[run]++
				}
			}
		}
	}
	// A damaged page takes the run with it whose page it is, and the table of runs all of
	// them; of the many pages most leave the other run whole.
	tries := 2 * len(damages) * len(file) / page
	t.Logf("%d of %d", read["one"]+read["two"], tries)
	require.Greater(t, read["one"]+read["two"], tries*4/10)
	require.Less(t, read["one"]+read["two"], tries*9/10)
}

func TestTruncatedFile(t *testing.T) {
	t.Parallel()
	file, states := twoRuns(t)
	path := filepath.Join(t.TempDir(), "truncated.db")
	for size := 1; size < len(file); size += len(file)/60 + 13 {
		require.NoError(t, os.WriteFile(path, file[:size], 0o600))
		whole := readDamaged(t, path, states, fmt.Sprint("cut to ", size))
		require.False(t, whole["one"] && whole["two"], "cut to %d", size)
	}
}

// TestDamageIsReportedAsSuch holds the message for a person with a damaged file.
func TestDamageIsReportedAsSuch(t *testing.T) {
	t.Parallel()
	file, _ := twoRuns(t)
	path := filepath.Join(t.TempDir(), "damaged.db")
	require.NoError(t, os.WriteFile(path, file[:len(file)/2], 0o600))
	b, err := sqlite.Open(path, sqlite.Options{})
	if err == nil {
		_, err = b.Records(context.Background(), driver.RecordsRequest{Run: "two", From: 1, To: 30, Limit: 100})
		require.ErrorIs(t, b.Check(t.Context()), driver.ErrCorrupt)
		require.NoError(t, b.Close())
	}
	require.ErrorIs(t, err, driver.ErrCorrupt)
	require.ErrorContains(t, err, path+": corrupt: ")
	require.ErrorContains(t, err, "`sqlite3 "+path+" .recover` may save what is left")
}

// TestPageEndsAtDamage reads as many records as there are before a damaged page.
func TestPageEndsAtDamage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	fill(t, path, "run")
	leaf := query[int64](t, look(t, path), `SELECT pageno FROM dbstat WHERE name = 'events' AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 5`)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = file.WriteAt(make([]byte, 4096), (leaf-1)*4096)
	require.NoError(t, err)
	require.NoError(t, file.Close())

	b := open(t, path, sqlite.Options{ReadOnly: true})
	req := driver.RecordsRequest{Run: "run", From: 1, To: driver.MaxSeq, Limit: 100}
	recs, err := b.Records(t.Context(), req)
	require.NoError(t, err)
	require.NotEmpty(t, recs)
	require.Less(t, len(recs), filledEvents-sealedEvents)
	req.From = recs[len(recs)-1].Seq + 1
	_, err = b.Records(t.Context(), req)
	require.ErrorIs(t, err, driver.ErrCorrupt)
	req.From, req.Reverse = 1, true
	recs, err = b.Records(t.Context(), req)
	require.NoError(t, err)
	require.NotEmpty(t, recs)
	require.Equal(t, uint64(filledEvents), recs[0].Seq)
}

// TestDamagedTypes holds that a number that is no number any more damages its own row,
// and no list that the row is in.
func TestDamagedTypes(t *testing.T) {
	t.Parallel()
	for table, columns := range map[string][]string{
		"runs":     {"changes", "place", "class", "recency", "tail", "suite", "sum", "life", "head"},
		"events":   {"encoding", "tip", "meta", "header", "state"},
		"segments": {"first", "last", "index", "data"},
		"entries":  {"value"},
	} {
		for _, column := range columns {
			path := filepath.Join(t.TempDir(), "checkpoints.db")
			states := map[string]map[uint64]string{"run": fill(t, path, "run"), "other": fill(t, path, "other")}
			where := map[string]string{
				"runs": "run = 'run'", "events": "id = (SELECT (rk << 32) + 25 FROM runs WHERE run = 'run')",
				"segments": "first = 1 AND rk = (SELECT rk FROM runs WHERE run = 'run')", "entries": "key = x'303037' AND rk = (SELECT rk FROM runs WHERE run = 'run')",
			}[table]
			db := look(t, path)
			res, err := db.Exec(fmt.Sprintf(`UPDATE %s SET "%s" = x'ff' WHERE %s`, table, column, where))
			require.NoError(t, err)
			n, err := res.RowsAffected()
			require.NoError(t, err)
			require.EqualValues(t, 1, n)

			what := table + "." + column
			b := open(t, path, sqlite.Options{Durability: driver.Off})
			for _, newest := range []bool{false, true} {
				heads, err := b.Heads(t.Context(), driver.HeadsRequest{Newest: newest, Limit: 10})
				require.NoError(t, err, what)
				require.Len(t, heads, 2, what)
			}
			whole := readDamaged(t, path, states, what)
			require.True(t, whole["other"], what)
			if table != "runs" || column == "suite" || column == "sum" || column == "life" || column == "head" || column == "tail" {
				require.False(t, whole["run"], what)
			}
			if table == "events" {
				recs, err := b.Records(t.Context(), driver.RecordsRequest{Run: "run", To: driver.MaxSeq, Limit: 100})
				require.NoError(t, err, what)
				require.Len(t, recs, filledEvents-sealedEvents, what)
			}
		}
	}
}
