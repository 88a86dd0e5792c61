package bolt_test

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

// Some tests need other processes: the test binary starts itself again, as the
// child that this variable names.
const childVariable = "FLOWLOG_TEST_CHILD"

// children are what such a process does; it gets its arguments, returns its exit
// code and answers on its standard output.
var children = map[string]func(args []string) int{}

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		os.Exit(children[name](os.Args[1:]))
	}
	os.Exit(m.Run())
}

// child returns a process that is yet to be started.
func child(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), childVariable+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

func open(t *testing.T, path string, opts bolt.Options) *bolt.Backend {
	t.Helper()
	b, err := bolt.Open(path, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func request(changes ...driver.Change) driver.ApplyRequest {
	return driver.ApplyRequest{Changes: changes}
}

// apply makes one change that must succeed.
func apply(t *testing.T, b *bolt.Backend, c driver.Change) driver.Result {
	t.Helper()
	results, err := b.Apply(context.Background(), request(c))
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	return results[0]
}

func purge(t *testing.T, b *bolt.Backend) (slices int) {
	t.Helper()
	for more := true; more; slices++ {
		res, err := b.Purge(context.Background(), driver.PurgeRequest{})
		require.NoError(t, err)
		more = res.More
	}
	return slices
}

// headOf returns the head of a run that must be there.
func headOf(t *testing.T, b *bolt.Backend, run string) driver.Head {
	t.Helper()
	h, err := b.Head(context.Background(), driver.HeadRequest{Run: run})
	require.NoError(t, err)
	return h
}

// segmentsOf returns all segments of a run with their contents.
func segmentsOf(t *testing.T, b *bolt.Backend, run string) []driver.Segment {
	t.Helper()
	segments, err := b.Segments(context.Background(), driver.SegmentsRequest{Run: run, To: driver.MaxSeq, Limit: 1 << 20})
	require.NoError(t, err)
	for i, s := range segments {
		segments[i], err = b.Segment(context.Background(), driver.SegmentRequest{Run: run, Seq: s.Last})
		require.NoError(t, err)
	}
	return segments
}

// state is the state of an event: it says whose it is, and is noise.
func state(run string, seq uint64, size int) []byte {
	b := make([]byte, size)
	var seed [32]byte
	copy(seed[:], fmt.Sprint(run, " ", seq))
	rand.NewChaCha8(seed).Read(b)
	return b
}

func records(run string, from, to uint64, size int) []driver.Record {
	var recs []driver.Record
	for seq := from; seq <= to; seq++ {
		recs = append(recs, driver.Record{Seq: seq, Recency: seq, Encoding: driver.Plain, Header: fmt.Appendf(nil, `{"node":"%s"}`, run), State: state(run, seq, size)})
	}
	return recs
}

func row(tail uint64) *driver.Head { return &driver.Head{Recency: 1, Tail: tail, Data: []byte(`{}`)} }

// wantRun expects a run of n events as records makes them.
func wantRun(t *testing.T, b *bolt.Backend, run string, n uint64, size int) {
	t.Helper()
	recs, err := b.Records(context.Background(), driver.RecordsRequest{Run: run, From: 1, To: driver.MaxSeq, Limit: 1 << 20})
	require.NoError(t, err)
	require.Len(t, recs, int(n))
	for i, rec := range recs {
		require.EqualValues(t, i+1, rec.Seq)
		require.True(t, string(state(run, rec.Seq, size)) == string(rec.State), "run %s seq %d", run, rec.Seq)
	}
}

// contents reads all files of a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var b []byte
			b, err = os.ReadFile(path)
			all[path] = string(b)
		}
		return err
	}))
	return all
}
