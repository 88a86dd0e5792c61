package checkpoint_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
)

// TestCrashDuringRedact crashes after each step of a redaction that changes a file
// by going on with a copy of the files. The states that
// stay are all there, and the same call finishes the work.
func TestCrashDuringRedact(t *testing.T) {
	t.Parallel()
	for driver, d := range disks {
		for name, prepare := range redactions {
			t.Run(driver+"/"+name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				path := filepath.Join(dir, "checkpoints.db")
				b, err := d.open(path)
				require.NoError(t, err)
				on, n := false, 0
				var x *redaction
				f := &failpoints{Backend: b, point: func(name string) error {
					if !on || name[0] == 'b' && name != "before erase" {
						return nil
					}
					n++
					x.crash(t, d, path, filepath.Join(dir, fmt.Sprint("left-", n)), fmt.Sprintf("crash point %d, %s", n, name))
					return nil
				}}
				x = newRedaction(t, f)
				prepare(t, x)
				on = true
				require.NoError(t, x.redact(t.Context(), x.l))
				on = false
				require.NoError(t, x.l.Close())
				require.Empty(t, x.secret.find(t, dir))
				require.GreaterOrEqual(t, n, 4, "note, states, before and after they are erased")
			})
		}
	}
}

// crash goes on with a copy of the files.
func (x *redaction) crash(t *testing.T, d disk, from, dir, when string) {
	require.NoError(t, os.Mkdir(dir, 0o700), when)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "checkpoints.db")
	copyFiles(t, from, path, d.files)
	b, err := d.open(path)
	require.NoError(t, err, when)
	l, err := log.Open(b, log.Options{})
	require.NoError(t, err, when)
	rep, err := l.Verify(t.Context(), redactedRun)
	require.NoError(t, err, when)
	require.True(t, rep.Intact(), "%s: %s", when, rep)
	for seq := uint64(1); seq < uint64(len(x.states)); seq++ {
		ev, err := l.At(t.Context(), redactedRun, seq)
		if err != nil { // what is dropped is to be
			require.ErrorIs(t, err, log.ErrPruned, when)
			require.Contains(t, x.seqs(), seq, when)
			continue
		}
		require.True(t, x.states[seq] == string(ev.State), "%s: the state of seq %d is another", when, seq)
	}
	require.NoError(t, x.redact(t.Context(), l), when)
	require.Empty(t, x.secret.find(t, dir), when)
	x.check(t, l, when)
	require.NoError(t, l.Close(), when)
	require.Empty(t, x.secret.find(t, dir), when)
	d.orphans(t, path, when)
}
