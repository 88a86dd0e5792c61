package checkpoint_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

func TestVerifyIntact(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t)
		loop(t, s, "run", 150)
		savedAfter(t, s, "run", "branch", filler(7000), 20)
		for _, s := range []*checkpoint.EventStore{s, st.open(t)} {
			rep := requireIntact(t, s, "run")
			require.Equal(t, "run", rep.RunID)
			require.EqualValues(t, 151, rep.Events)
			require.Zero(t, rep.Pruned)
			require.Zero(t, rep.BrokenAt)
			newest := events(t, s, "run", checkpoint.HistoryOptions{Backward: true, Limit: 1})[0]
			require.Equal(t, newest.Hash, rep.Head)
			require.Equal(t, fmt.Sprintf("intact: 151 events, head %s", rep.Head), rep.String())
		}
	})
}

// edited returns a SQLite store that someone has edited with SQL meanwhile. Its
// run has 90 events, large states from event 35 on, and a hash before the edit.
func edited(t *testing.T, statements ...string) (*checkpoint.EventStore, []string, checkpoint.Digest) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	s, err := checkpoint.NewSQLiteStore(path)
	require.NoError(t, err)
	states := loop(t, s.EventStore, "run", 90)
	loop(t, s.EventStore, "other", 60)
	head := requireIntact(t, s.EventStore, "run").Head
	require.NoError(t, s.Close())

	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	for _, statement := range statements {
		statement = strings.ReplaceAll(statement, "SEQ", "id >> 32 = 1 AND id & 4294967295")
		res, err := db.Exec(statement)
		require.NoError(t, err, statement)
		n, err := res.RowsAffected()
		require.NoError(t, err)
		require.EqualValues(t, 1, n, statement)
	}
	require.NoError(t, db.Close())
	s, err = checkpoint.NewSQLiteStore(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s.EventStore, states, head
}

// Where things stand in the meta of an event: see sqlite/record.go.
const (
	metaHash      = 4
	metaStateHash = 36
	metaFlags     = 68
	metaRecency   = 69
	metaNumbers   = 77 // of a byte each if they are small
)

// setMeta returns a statement that sets bytes of the meta of an event.
func setMeta(seq uint64, at int, hex string) string {
	return fmt.Sprintf(`UPDATE events SET meta = CAST(substr(meta, 1, %d) || x'%s' || substr(meta, %d) AS BLOB) WHERE SEQ = %d`, at, hex, at+len(hex)/2+1, seq)
}

func TestVerifyFindsWhatWasEdited(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		edit   []string
		at     uint64
		reason string
	}{
		"header":                 {[]string{`UPDATE events SET header = replace(header, '"node":"c"', '"node":"d"') WHERE SEQ = 3`}, 3, "record does not match its checksum"},
		"header no JSON":         {[]string{`UPDATE events SET header = 'x' WHERE SEQ = 70`}, 70, "record does not match its checksum"},
		"plain state":            {[]string{`UPDATE events SET state = CAST(replace(CAST(state AS TEXT), '"i":6,', '"i":7,') AS BLOB) WHERE SEQ = 7`}, 7, "state does not match its SHA-256"},
		"state cut off":          {[]string{`UPDATE events SET state = substr(state, 1, length(state) - 1) WHERE SEQ = 7`}, 7, "state does not match its SHA-256"},
		"delta":                  {[]string{`UPDATE events SET state = substr(state, 1, length(state) - 1) WHERE SEQ = 60`}, 60, "seq 60: corrupt"},
		"delta of another event": {[]string{`UPDATE events SET state = (SELECT state FROM events WHERE SEQ = 59) WHERE SEQ = 60`}, 60, "seq 60: corrupt"},
		"no state":               {[]string{`UPDATE events SET state = NULL WHERE SEQ = 61`}, 61, "seq 61: corrupt"},
		"hash":                   {[]string{setMeta(8, metaHash, "00")}, 8, "record does not match its checksum"},
		"hash of the state":      {[]string{setMeta(8, metaStateHash, "00")}, 8, "record does not match its checksum"},
		"flags":                  {[]string{setMeta(8, metaFlags, "01")}, 8, "record does not match its checksum"},
		"recency":                {[]string{setMeta(8, metaRecency, "00")}, 8, "record does not match its checksum"},
		"base":                   {[]string{setMeta(60, metaNumbers, "3a")}, 60, "record does not match its checksum"},
		"links":                  {[]string{setMeta(60, metaNumbers+1, "7e")}, 60, "record does not match its checksum"},
		"recoverable":            {[]string{setMeta(60, metaNumbers+2, "01")}, 60, "record does not match its checksum"},
		"since":                  {[]string{setMeta(60, metaNumbers+3, "02")}, 60, "record does not match its checksum"},
		"bytes":                  {[]string{setMeta(65, metaNumbers+4, "8180")}, 65, "record does not match its checksum"},
		"meta cut off":           {[]string{`UPDATE events SET meta = substr(meta, 1, 40) WHERE SEQ = 60`}, 60, "record does not match its checksum"},
		"tip":                    {[]string{`UPDATE events SET tip = 1 WHERE SEQ = 60`}, 60, "record does not match its checksum"},
		"pruned without a note":  {[]string{`UPDATE events SET encoding = 5, state = NULL WHERE SEQ = 66`}, 66, "record does not match its checksum"},
		"pruned, all zero":       {[]string{`UPDATE events SET encoding = 5, state = NULL WHERE SEQ = 9`, setMeta(9, metaNumbers, "0000")}, 9, "record does not match its checksum"},
		"swapped": {[]string{`UPDATE events SET id = -1 WHERE SEQ = 10`, `UPDATE events SET id = (1 << 32) + 10 WHERE SEQ = 11`,
			`UPDATE events SET id = (1 << 32) + 11 WHERE id = -1`}, 10, "record does not match its checksum"},
		"event of another run": {[]string{`DELETE FROM events WHERE SEQ = 12`, `UPDATE events SET id = (1 << 32) + 12 WHERE id = (2 << 32) + 12`}, 12, "record does not match its checksum"},
		"first removed":        {[]string{`DELETE FROM events WHERE SEQ = 1`}, 1, "the event is missing"},
		"middle removed":       {[]string{`DELETE FROM events WHERE SEQ = 13`}, 13, "the event is missing"},
		"later one removed":    {[]string{`DELETE FROM events WHERE SEQ = 80`}, 80, "the event is missing"},
		"two things":           {[]string{`DELETE FROM events WHERE SEQ = 13`, setMeta(5, metaHash, "00")}, 5, "record does not match its checksum"},
		"newest header":        {[]string{`UPDATE events SET header = replace(header, '"size"', '"sizf"') WHERE SEQ = 90`}, 90, "record does not match its checksum"},
		"newest state":         {[]string{`UPDATE events SET state = NULL WHERE SEQ = 90`}, 90, "seq 90: corrupt"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			s, states, _ := edited(t, test.edit...)
			rep, err := s.Verify(ctx, "run")
			require.NoError(t, err)
			require.False(t, rep.Intact())
			require.Equal(t, test.at, rep.BrokenAt, "%v", rep.Problems)
			require.ErrorIs(t, rep.Problems[0], checkpoint.ErrCorrupt)
			require.ErrorContains(t, rep.Problems[0], test.reason)
			var e *checkpoint.Error
			require.ErrorAs(t, rep.Problems[0], &e)
			require.Equal(t, test.at, e.Seq)
			require.Contains(t, rep.String(), fmt.Sprintf("broken at seq %d: ", test.at))

			// Whatever is still given out is what was saved.
			for seq := uint64(1); seq <= 90; seq++ {
				c, err := s.LoadSeq(ctx, "run", seq)
				if err != nil {
					require.ErrorIs(t, err, checkpoint.ErrCorrupt)
					require.NotErrorIs(t, err, checkpoint.ErrPruned)
					continue
				}
				require.True(t, states[seq] == string(c.State))
			}
			requireOtherRunIsUnharmed(t, s, name)
		})
	}
}

func requireOtherRunIsUnharmed(t *testing.T, s *checkpoint.EventStore, edit string) {
	t.Helper()
	if edit == "event of another run" {
		return
	}
	require.EqualValues(t, 60, requireIntact(t, s, "other").Events)
}

// TestVerifyOfACutTail holds what a chain can't see by itself, and how to see it.
func TestVerifyOfACutTail(t *testing.T) {
	t.Parallel()
	s, _, before := edited(t, `DELETE FROM events WHERE SEQ = 90`)
	rep := requireIntact(t, s, "run")
	require.EqualValues(t, 89, rep.Events)
	require.NotEqual(t, before, rep.Head, "who kept the head's hash can tell")
}

func TestVerifyStopsWhenItsContextIsDone(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t)
		saved(t, s, "run", "node", `1`)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := s.Verify(ctx, "run")
		require.ErrorIs(t, err, context.Canceled)
	})
}

// TestReadersWhilePruning holds that states which go away under a reader's eyes
// are pruned to it, and never damage.
func TestReadersWhilePruning(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		ctx := context.Background()
		s, pruner := st.open(t, checkpoint.WithPlainUpTo(1000), checkpoint.WithCacheBytes(1)), st.open(t)
		states := loop(t, s, "run", 80)
		done := make(chan error)
		go func() {
			var err error
			for seq := uint64(79); seq > 40 && err == nil; seq-- {
				_, err = pruner.Prune(ctx, "run", []uint64{seq}, "meanwhile")
			}
			done <- err
		}()
		for under := true; under; {
			select {
			case err := <-done:
				require.NoError(t, err)
				under = false // once more, now that all is quiet
			default:
			}
			requireIntact(t, s, "run")
			for _, seq := range []uint64{80, 60, 50, 40, 1} {
				c, err := s.LoadSeq(ctx, "run", seq)
				if err != nil {
					require.ErrorIs(t, err, checkpoint.ErrPruned)
					continue
				}
				require.True(t, states[seq] == string(c.State))
			}
		}
		require.EqualValues(t, 39, requireIntact(t, s, "run").Pruned)
	})
}
