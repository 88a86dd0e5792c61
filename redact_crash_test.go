package checkpoint_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
)

// atEachCrash does something to each of the redactions on each driver with a file. After
// each step of it that counts, and in the end, recovered gets what is there then: a log
// on a copy of the files in a folder, as a crash leaves them, which it has to close.
func atEachCrash(t *testing.T, least int, counts func(step string) bool, do func(x *redaction, l *log.Log) error,
	recovered func(t *testing.T, x *redaction, l *log.Log, dir, when string)) {
	t.Parallel()
	every, first := stride(1)
	for kind, d := range disks {
		for name, prepare := range redactions {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				path := filepath.Join(dir, "checkpoints.db")
				b, err := d.open(path)
				require.NoError(t, err)
				on, n := false, 0
				var x *redaction
				f := &failpoints{Backend: b, point: func(step string) error {
					if !on || !counts(step) {
						return nil
					}
					if n++; n%every != first%every {
						return nil
					}
					when := fmt.Sprintf("crash point %d, %s", n, step)
					left := filepath.Join(dir, fmt.Sprint("left-", n))
					require.NoError(t, os.Mkdir(left, 0o700), when)
					defer os.RemoveAll(left)
					leftAt := filepath.Join(left, "checkpoints.db")
					copyFiles(t, path, leftAt, d.files)
					b, err := d.open(leftAt)
					require.NoError(t, err, when)
					l, err := log.Open(b, log.Options{})
					require.NoError(t, err, when)
					recovered(t, x, l, left, when)
					d.orphans(t, leftAt, when)
					return nil
				}}
				x = newRedaction(t, f)
				prepare(t, x)
				on = true
				require.NoError(t, do(x, x.l))
				on = false
				recovered(t, x, x.l, dir, "in the end")
				d.orphans(t, path, "in the end")
				require.GreaterOrEqual(t, n, least)
			})
		}
	}
}

// TestCrashDuringRedact crashes after each step of a redaction that changes a file. The
// states that stay are all there, and the same call finishes the work.
func TestCrashDuringRedact(t *testing.T) {
	redact := func(x *redaction, l *log.Log) error { return x.redact(t.Context(), l) }
	const steps = 3 // the states with the note, before and after they are erased
	atEachCrash(t, steps, func(step string) bool { return step[0] != 'b' || step == "before erase" }, redact,
		func(t *testing.T, x *redaction, l *log.Log, dir, when string) {
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
			require.NoError(t, redact(x, l), when)
			require.Empty(t, x.secret.find(t, dir), when)
			x.check(t, l, when)
			require.NoError(t, l.Close(), when)
			require.Empty(t, x.secret.find(t, dir), when)
		})
}
