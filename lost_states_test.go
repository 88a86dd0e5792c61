package checkpoint_test

import (
	"bytes"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// TestExportLinesSkipsDamagedStates damages states of events at any place of a run.
func TestExportLinesSkipsDamagedStates(t *testing.T) {
	t.Parallel()
	for name, damaged := range map[string][]int{"the first": {1}, "the last": {5}, "neighbours": {2, 3}, "all": {1, 2, 3, 4, 5}} {
		path := filepath.Join(t.TempDir(), "store.db")
		s, err := checkpoint.NewSQLiteStore(path, checkpoint.WithoutCompaction())
		require.NoError(t, err)
		for range 5 {
			saved(t, s.EventStore, "run", "a", `{"text":"sound"}`)
		}
		require.NoError(t, s.Close())
		db, err := sql.Open("sqlite", path)
		require.NoError(t, err)
		for _, seq := range damaged {
			_, err := db.Exec(`UPDATE events SET state = CAST('{"text":"other"}' AS BLOB) WHERE id & 4294967295 = ?`, seq)
			require.NoError(t, err)
		}
		require.NoError(t, db.Close())

		s, err = checkpoint.NewSQLiteStore(path, checkpoint.WithoutCompaction())
		require.NoError(t, err)
		var lines bytes.Buffer
		err = s.ExportLines(t.Context(), "run", &lines, nil)
		var lost *checkpoint.LostStates
		require.ErrorAs(t, err, &lost, name)
		require.ErrorIs(t, err, checkpoint.ErrCorrupt)
		require.EqualValues(t, len(damaged), lost.Events, name)
		require.Equal(t, 5, strings.Count(lines.String(), "\n"), name)
		require.Equal(t, len(damaged), strings.Count(lines.String(), `"state":null`), name)
		require.Equal(t, len(damaged), strings.Count(lines.String(), `"pruned":true,"damaged":true`), name)
		require.NoError(t, s.Close())
	}
}
