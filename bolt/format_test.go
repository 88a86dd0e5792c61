package bolt_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestFormat holds every kind of key and value to testdata/format2.golden: what differs is
// another format, and needs another version.
func TestFormat(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	b := open(t, path, bolt.Options{Durability: driver.Off})
	b.SetClock(func() int64 { return 0x0102030405060708 })
	class := uint8(2)
	tail := records("run-1", 5, 8, 10)
	for i := range tail {
		r := &tail[i]
		r.Flags, r.Encoding, r.Links, r.Base = driver.Passed, driver.Delta, 2, r.Seq-1
		r.Recoverable, r.Tip, r.Since, r.Bytes, r.Stored, r.Sum = r.Seq, 4, 1, 1000, 300, 0x11223344
		copy(r.Hash[:], state("hash", r.Seq, 32))
		copy(r.StateHash[:], state("state hash", r.Seq, 32))
	}
	tail[1].State = state("large", 6, 2049)
	h := &driver.Head{Recency: 7, Tail: 5, Suite: 1, Sum: 0x55667788, Data: []byte(`{"data":1}`), Life: [16]byte(state("life", 1, 16))}
	apply(t, b, driver.Change{Run: "run-1", Head: h, Class: &class, Append: tail,
		Add: []driver.Segment{
			{First: 1, Last: 2, Index: []byte("index"), Data: state("data", 1, 1000)},
			{First: 3, Last: 4, Index: []byte("index"), Data: state("data", 1, 17_000)},
		},
		Put: []driver.Entry{{Key: []byte("key"), Value: []byte("value")}, {Key: []byte("large"), Value: state("entry", 1, 2049)}}})
	revision := apply(t, b, driver.Change{Run: "run-2", Head: row(1), Append: records("run-2", 1, 5, 1)}).Revision
	apply(t, b, driver.Change{Run: "run-2", Revision: revision, Head: row(6), Add: []driver.Segment{{First: 1, Last: 5, Index: []byte("i"), Data: []byte("d")}}})
	revision = headOf(t, b, "run-2").Revision
	apply(t, b, driver.Change{Run: "run-2", Revision: revision, Head: row(6), Retire: segmentsOf(t, b, "run-2")})
	revision = apply(t, b, driver.Change{Run: "run-3", Head: row(1)}).Revision
	apply(t, b, driver.Change{Run: "run-3", Revision: revision, Drop: true})
	for _, c := range []driver.SlotChange{{Key: "lease", Value: []byte("storage")}, {Run: "run-1", Key: "lease", Value: []byte("run"), TTL: time.Second}} {
		_, err := b.SetSlot(t.Context(), c)
		require.NoError(t, err)
	}
	require.NoError(t, b.Close())

	var dump strings.Builder
	values(t, path, func(keys []string, v []byte) []byte {
		for i, k := range keys {
			fmt.Fprintf(&dump, "%s%+q", strings.Repeat(" ", min(i, 1)), k)
		}
		fmt.Fprintf(&dump, "\n    %d bytes", len(v))
		for i := 0; i < min(len(v), 256); i += 32 { // the rest is noise
			fmt.Fprintf(&dump, "\n    % x", v[i:min(i+32, len(v))])
		}
		dump.WriteString("\n")
		return nil
	})
	const golden = "testdata/format2.golden"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(dump.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), dump.String())
}
