package checkpoint_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/sqlite"
)

// redaction is a run in whose states a secret stands, on its way to be redacted.
type redaction struct {
	l      *log.Log
	r      *rand.Rand
	secret secret
	states []string // by seq
	last   string
}

const redactedRun = "run"

func newRedaction(t *testing.T, b driver.Backend) *redaction {
	l, err := log.Open(b, log.Options{})
	require.NoError(t, err)
	return &redaction{l: l, r: rand.New(rand.NewPCG(rand.Uint64(), 0)), secret: newSecret(), states: []string{""}}
}

// append appends n events whose states are edits of the one before, and hold the
// secret or not.
func (x *redaction) append(t *testing.T, n, size int, withSecret bool) {
	t.Helper()
	for range n {
		x.last = strings.ReplaceAll(x.last, string(x.secret), "") // an edit might leave a part of it
		switch {
		case x.last == "":
			x.last = noise(x.r, size)
		case size > 0:
			x.last = editText(x.r, x.last)
		}
		if withSecret {
			middle := len(x.last) / 2
			x.last = x.last[:middle] + string(x.secret) + x.last[middle:]
		}
		x.save(t, x.last)
	}
}

func (x *redaction) save(t *testing.T, state string) {
	t.Helper()
	ev, err := x.l.Append(t.Context(), log.Append{Header: log.Header{RunID: redactedRun, NodeID: "node", Kind: log.JSON}, State: []byte(state)})
	require.NoError(t, err)
	require.EqualValues(t, len(x.states), ev.Seq)
	x.states = append(x.states, state)
}

func (x *redaction) seal(t *testing.T) {
	t.Helper()
	sealed, err := x.l.Seal(t.Context(), redactedRun, log.SealOptions{Whole: true})
	require.NoError(t, err)
	require.NotZero(t, sealed.Events)
}

// seqs are the events in whose states the secret stands.
func (x *redaction) seqs() (seqs []uint64) {
	for i, s := range x.states {
		if strings.Contains(s, string(x.secret)) {
			seqs = append(seqs, uint64(i))
		}
	}
	return seqs
}

// check holds a run to what a redaction of it must leave.
func (x *redaction) check(t *testing.T, l *log.Log, when string) {
	t.Helper()
	redacted := x.seqs()
	rep, err := l.Verify(t.Context(), redactedRun)
	require.NoError(t, err, when)
	require.True(t, rep.Intact(), "%s: %s", when, rep)
	require.EqualValues(t, len(x.states)-1, rep.Events, when)
	require.EqualValues(t, len(redacted), rep.Pruned, when)
	for seq := uint64(1); seq < uint64(len(x.states)); seq++ {
		ev, err := l.At(t.Context(), redactedRun, seq)
		if !slices.Contains(redacted, seq) {
			require.NoError(t, err, when)
			require.True(t, x.states[seq] == string(ev.State), "%s: the state of seq %d is another", when, seq)
			continue
		}
		require.ErrorIs(t, err, log.ErrPruned, when)
		var e *log.PrunedError
		require.ErrorAs(t, err, &e, when)
		require.True(t, e.Redacted, when)
		require.Equal(t, "it had a password", e.Policy, when)
		require.WithinRange(t, e.At, time.Now().Add(-time.Hour), time.Now().Add(time.Second), when)
		require.EqualValues(t, len(x.states[seq]), e.Size, when)
		require.ErrorContains(t, err, fmt.Sprintf(`seq %d: state of %d bytes was redacted at 20`, seq, e.Size), when)
		require.ErrorContains(t, err, "it had a password (sha256 ", when)
	}
}

func (x *redaction) redact(ctx context.Context, l *log.Log) error {
	seqs := x.seqs()
	n, err := l.Redact(ctx, redactedRun, seqs, "it had a password")
	if err == nil && n != len(seqs) {
		return fmt.Errorf("%d events redacted, want %d", n, len(seqs))
	}
	return err
}

// redactions are the states of a store in which a secret of five neighbouring events
// is to be redacted.
var redactions = map[string]func(t *testing.T, x *redaction){
	"unsealed": func(t *testing.T, x *redaction) {
		x.append(t, 7, 9000, false)
		x.append(t, 5, 9000, true)
		x.append(t, 7, 9000, false)
	},
	"unsealed, small": func(t *testing.T, x *redaction) {
		x.append(t, 7, 300, false)
		x.append(t, 5, 300, true)
		x.append(t, 7, 300, false)
	},
	"the newest": func(t *testing.T, x *redaction) {
		x.append(t, 7, 9000, false)
		x.append(t, 5, 9000, true)
	},
	"the first": func(t *testing.T, x *redaction) {
		x.append(t, 5, 9000, true)
		x.append(t, 7, 9000, false)
	},
	"sealed": func(t *testing.T, x *redaction) {
		x.append(t, 7, 9000, false)
		x.append(t, 5, 9000, true)
		x.append(t, 7, 9000, false)
		x.seal(t)
	},
	"sealed, small": func(t *testing.T, x *redaction) {
		x.append(t, 20, 600, false)
		x.append(t, 5, 600, true)
		x.append(t, 20, 600, false)
		x.seal(t)
	},
	"merged segments": func(t *testing.T, x *redaction) {
		for range 3 {
			x.append(t, 4, 9000, false)
			x.append(t, 2, 9000, true)
			x.seal(t)
		}
	},
	"half sealed": func(t *testing.T, x *redaction) {
		x.append(t, 7, 9000, false)
		x.append(t, 3, 9000, true)
		x.seal(t)
		x.append(t, 2, 9000, true)
		x.append(t, 7, 9000, false)
	},
	"pruned before": func(t *testing.T, x *redaction) {
		x.append(t, 7, 9000, false)
		x.append(t, 5, 9000, true)
		x.append(t, 7, 9000, false)
		seqs := x.seqs()
		n, err := x.l.Prune(t.Context(), redactedRun, seqs[1:4], "too old")
		require.NoError(t, err)
		require.Equal(t, 3, n)
	},
	"large": func(t *testing.T, x *redaction) {
		x.append(t, 2, 400_000, false)
		x.append(t, 5, 400_000, true)
		x.append(t, 2, 400_000, false)
	},
	"large, not alike": func(t *testing.T, x *redaction) {
		for i := range 9 {
			x.last = noise(x.r, 150_000)
			x.append(t, 1, 0, i >= 2 && i < 7)
		}
	},
	"large, sealed": func(t *testing.T, x *redaction) {
		x.append(t, 2, 400_000, false)
		x.append(t, 5, 400_000, true)
		x.append(t, 2, 400_000, false)
		x.seal(t)
	},
}

// TestRedact looks for a secret in all that the files of a store hold.
func TestRedact(t *testing.T) {
	t.Parallel()
	for kind, d := range disks {
		for name, prepare := range redactions {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				b, err := d.open(filepath.Join(dir, "checkpoints.db"))
				require.NoError(t, err)
				x := newRedaction(t, b)
				prepare(t, x)
				require.NotEmpty(t, x.secret.find(t, dir), "else this test can't find what is left")
				require.NoError(t, x.redact(t.Context(), x.l))
				require.Empty(t, x.secret.find(t, dir))
				x.check(t, x.l, "redacted")

				// What is remembered of the run must not bring it back.
				x.append(t, 3, 9000, false)
				x.seal(t)
				require.Empty(t, x.secret.find(t, dir))
				require.NoError(t, x.redact(t.Context(), x.l), "again")
				x.check(t, x.l, "again")
				require.NoError(t, x.l.Close())
				require.Empty(t, x.secret.find(t, dir))
				d.orphans(t, filepath.Join(dir, "checkpoints.db"), "in the end")
			})
		}
	}
}

// TestRedactCopiesBetweenRows: where events of several runs lie side by side, SQLite
// leaves copies of rows in pages that it splits, which secure_delete does not
// overwrite: Prune leaves the secret in these files, of states that are sealed, too. To
// redact what was pruned leaves nothing.
func TestRedactCopiesBetweenRows(t *testing.T) {
	t.Parallel()
	for kind, d := range disks {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			left := 0
			for seed := range uint64(8) {
				dir := t.TempDir()
				b, err := d.open(filepath.Join(dir, "checkpoints.db"))
				require.NoError(t, err)
				l, err := log.Open(b, log.Options{})
				require.NoError(t, err)
				s, r := newSecret(), rand.New(rand.NewPCG(seed, 1))
				seqs := map[string][]uint64{}
				for range 300 {
					run, state := fmt.Sprint("run-", r.IntN(4)), fmt.Sprintf(`"%0*d"`, 50+r.IntN(1500), 0)
					if r.IntN(4) == 0 {
						state = fmt.Sprintf(`"%s%0*d"`, s, 50+r.IntN(1500), 0)
					}
					ev, err := l.Append(t.Context(), log.Append{Header: log.Header{RunID: run, NodeID: "node", Kind: log.JSON}, State: []byte(state)})
					require.NoError(t, err)
					if strings.Contains(state, string(s)) {
						seqs[run] = append(seqs[run], ev.Seq)
					}
				}
				for run, seqs := range seqs {
					if seed%2 == 1 {
						_, err := l.Seal(t.Context(), run, log.SealOptions{Whole: true})
						require.NoError(t, err)
					}
					_, err := l.Prune(t.Context(), run, seqs, "secret")
					require.NoError(t, err)
				}
				if len(s.find(t, dir)) > 0 {
					left++
				}
				for run, seqs := range seqs {
					n, err := l.Redact(t.Context(), run, seqs, "secret")
					require.NoError(t, err)
					require.Len(t, seqs, n)
				}
				require.Empty(t, s.find(t, dir), "seed %d", seed)
				require.NoError(t, l.Close())
				require.Empty(t, s.find(t, dir), "seed %d", seed)
			}
			t.Logf("Prune left the secret in %d of 8 files", left)
			require.Positive(t, left, "else nothing was left for Redact")
		})
	}
}

// TestRedactWhileOthersRead: readers in this process go on and see what they may see.
func TestRedactWhileOthersRead(t *testing.T) {
	t.Parallel()
	for kind, d := range disks {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b, err := d.open(filepath.Join(dir, "checkpoints.db"))
			require.NoError(t, err)
			x := newRedaction(t, b)
			redactions["half sealed"](t, x)
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						for ev, err := range x.l.History(context.Background(), redactedRun, log.HistoryOptions{}) {
							if err != nil || !ev.Pruned && string(ev.State) != x.states[ev.Seq] {
								t.Errorf("a reader got %v", err)
								return
							}
						}
					}
				})
			}
			// It is half way while the states are dropped.
			for ev, err := range x.l.History(t.Context(), redactedRun, log.HistoryOptions{}) {
				require.NoError(t, err)
				if ev.Seq == 9 {
					require.NoError(t, x.redact(t.Context(), x.l))
					require.Empty(t, x.secret.find(t, dir))
				}
			}
			close(stop)
			wg.Wait()
			x.check(t, x.l, "redacted")
			require.NoError(t, x.l.Close())
		})
	}
}

// TestRedactWaitsForReaders: while somebody reads what was there before, SQLite's WAL
// can't be emptied. Redact says so, and finishes when it is called again.
func TestRedactWaitsForReaders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "checkpoints.db")
	b, err := sqlite.Open(path, sqlite.Options{Durability: driver.Off, BusyTimeout: 200 * time.Millisecond})
	require.NoError(t, err)
	x := newRedaction(t, b)
	redactions["unsealed"](t, x)

	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	require.NoError(t, err)
	defer db.Close()
	tx, err := db.Begin()
	require.NoError(t, err)
	var n int
	require.NoError(t, tx.QueryRow(`SELECT count(*) FROM events`).Scan(&n))

	err = x.redact(t.Context(), x.l)
	require.ErrorIs(t, err, log.ErrNotErased)
	require.ErrorIs(t, err, log.ErrLocked)
	require.ErrorContains(t, err, "has held what was there before for over 200ms; end it and retry")
	require.NotEmpty(t, x.secret.find(t, dir))
	x.check(t, x.l, "no reader finds them")

	require.NoError(t, tx.Rollback())
	require.NoError(t, x.redact(t.Context(), x.l))
	require.Empty(t, x.secret.find(t, dir))
	x.check(t, x.l, "called again")
	notes := 0
	for _, err := range x.l.Notes(t.Context(), redactedRun) {
		require.NoError(t, err)
		notes++
	}
	require.Equal(t, 1, notes)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, x.redact(ctx, x.l), context.Canceled)
	require.NoError(t, x.l.Close())
}

// TestRedactRefuses: what can't be done is said before anything is.
func TestRedactRefuses(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		s := st.open(t)
		saved(t, s, "run", "node", `1`)
		saved(t, s, "run", "node", `2`)
		for _, c := range []struct {
			run    string
			seqs   []uint64
			reason string
			err    error
		}{
			{"run", []uint64{1}, "", checkpoint.ErrInvalid},
			{"run", []uint64{1, 3}, "reason", checkpoint.ErrNotFound},
			{"run", []uint64{0, 1}, "reason", checkpoint.ErrNotFound},
			{"none", []uint64{1}, "reason", checkpoint.ErrNotFound},
			{"run", []uint64{1}, strings.Repeat("x", 2000), checkpoint.ErrTooLarge},
		} {
			n, err := s.Redact(t.Context(), c.run, c.seqs, c.reason)
			require.ErrorIs(t, err, c.err)
			require.Zero(t, n)
			say(err)
		}
		n, err := s.Redact(t.Context(), "run", nil, "reason")
		require.NoError(t, err)
		require.Zero(t, n)
		require.Zero(t, requireIntact(t, s, "run").Pruned)

		n, err = s.Redact(t.Context(), "run", []uint64{2, 1, 2}, "reason")
		require.NoError(t, err)
		require.Equal(t, 2, n)
		_, err = s.Load(t.Context(), "run")
		require.ErrorIs(t, err, checkpoint.ErrPruned)
		require.EqualValues(t, 2, requireIntact(t, st.open(t), "run").Pruned)
		saved(t, s, "run", "node", `3`)
		requireIntact(t, st.open(t), "run")
	})
}

// TestRedactNeedsAnEraser: a driver that can't erase is not asked to drop anything.
func TestRedactNeedsAnEraser(t *testing.T) {
	t.Parallel()
	b, err := sqlite.Open(":memory:", sqlite.Options{})
	require.NoError(t, err)
	x := newRedaction(t, struct{ driver.Backend }{b})
	x.append(t, 3, 300, true)
	err = x.redact(t.Context(), x.l)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.EqualError(t, err, `run "run": redact: unsupported operation: the driver can't erase copies of what it stored; Prune drops states`)
	ev, err := x.l.Newest(t.Context(), redactedRun)
	require.NoError(t, err)
	require.EqualValues(t, 3, ev.Seq)
	require.NoError(t, x.l.Close())
}
