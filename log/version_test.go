package log_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// TestUnknownMembersAreKept: what a newer flowlog added to a head or a mark stays there
// when this one changes it.
func TestUnknownMembersAreKept(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	for range 3 {
		add(t, l, event("run", "a"))
	}
	require.NoError(t, l.Pin(t.Context(), "run", 2))

	const extra = `,"zeal":{"a":[1,2]},"ai\"m":"<north>"}`
	h, err := b.Head(t.Context(), driver.HeadRequest{Run: "run"})
	require.NoError(t, err)
	h.Data = append(h.Data[:len(h.Data)-1], extra...)
	h.Sum = log.HeadSum(&h)
	key := []byte{'m', 0, 0, 0, 2}
	res, err := b.Apply(t.Context(), driver.ApplyRequest{Changes: []driver.Change{{
		Run: "run", Revision: h.Revision, Head: &h, Put: []driver.Entry{{Key: key, Value: []byte(`{"pinned":true` + extra)}},
	}}})
	require.NoError(t, err)
	require.NoError(t, res[0].Err)

	l = another(t, b)
	require.NoError(t, l.Label(t.Context(), "run", 2, "k", "v"))
	require.NoError(t, l.Unpin(t.Context(), "run", 2))
	_, err = l.Prune(t.Context(), "run", []uint64{1}, "test")
	require.NoError(t, err)
	require.NoError(t, l.Unlabel(t.Context(), "run", 2, "k"))

	h, err = b.Head(t.Context(), driver.HeadRequest{Run: "run"})
	require.NoError(t, err)
	require.Contains(t, string(h.Data), `"pruned":1`)
	entries, err := b.Entries(t.Context(), driver.EntriesRequest{Run: "run", EntryRange: driver.EntryRange{From: key, To: append(key, 0)}, Limit: 1})
	require.NoError(t, err)
	require.Len(t, entries, 1)
	for _, data := range [][]byte{h.Data, entries[0].Value} {
		require.True(t, json.Valid(data), "%s", data)
		require.Contains(t, string(data), `"zeal":{"a":[1,2]}`)
		require.Contains(t, string(data), `"ai\"m":"<north>"`)
		require.Equal(t, 1, bytes.Count(data, []byte("zeal")))
	}
	requireIntact(t, l, "run")
}

// TestHeadOfAnotherVersion: a run of another version of the format is refused, whether newer,
// older or of none, and a head that is not JSON is damaged.
func TestHeadOfAnotherVersion(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	add(t, open(t, b, log.Options{}), event("run", "a"))
	for version, want := range map[string]error{
		`"version":1`: log.ErrUnsupportedVersion, `"version":3`: log.ErrUnsupportedVersion, `"vorsion":2`: log.ErrUnsupportedVersion,
		`"version":x`: log.ErrCorrupt,
	} {
		l := open(t, &heads{b, "run", func(h *driver.Head) {
			h.Data = bytes.Replace(h.Data, []byte(`"version":2`), []byte(version), 1)
			h.Sum = log.HeadSum(h)
		}}, log.Options{})
		_, err := l.Append(t.Context(), event("run", "a"))
		require.ErrorIs(t, err, want, version)
		_, err = l.Run(t.Context(), "run")
		require.ErrorIs(t, err, want, version)
	}
}

// TestUnknownFlag: nothing of an event with a flag that is not known is taken, also where
// only its line is asked for.
func TestUnknownFlag(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	first := add(t, l, event("run", "a"))
	for range 3 {
		add(t, l, event("run", "b"))
	}
	run, err := l.Run(t.Context(), "run")
	require.NoError(t, err)
	b.onRecord = func(_ string, r *driver.Record) bool {
		if r.Seq == 1 {
			r.Flags |= 1 << 7
			r.Sum = log.RecordSum(run.Life, r)
		}
		return true
	}
	l = open(t, b, log.Options{})
	_, err = l.Append(t.Context(), after(event("run", "c"), 1))
	require.ErrorIs(t, err, log.ErrUnsupportedVersion)
	_, err = l.Nodes(t.Context(), "run", first.Position())
	require.ErrorIs(t, err, log.ErrUnsupportedVersion)
}
