package checkpoint_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
)

var everythingFor = flag.Duration("everything", 2*time.Second, "how long TestEverythingAtOnce lasts on each storage")

// TestEverythingAtOnce calls every method of a store at once, on the same few runs, which are
// truncated, deleted and begun anew meanwhile. Each state says what it is and has a checksum
// of its own. With -everything 10m it should run alone.
func TestEverythingAtOnce(t *testing.T) {
	before := runtime.NumGoroutine()
	onEveryStorage(t, func(t *testing.T, st storage, _ func(...any)) {
		s := st.open(t, checkpoint.WithIdle(50*time.Millisecond), checkpoint.WithPlainUpTo(1000),
			checkpoint.WithRetention(100*time.Millisecond, compaction.KeepLast(20)))
		ctx, cancel := context.WithTimeout(t.Context(), *everythingFor)
		defer cancel()
		workers := make([]*everything, 8)
		var wg sync.WaitGroup
		for i := range workers {
			w := &everything{s: s, r: rand.New(rand.NewPCG(uint64(i), 5)), name: fmt.Sprint(i)}
			workers[i] = w
			wg.Go(func() {
				for ctx.Err() == nil && w.failed == nil {
					w.failed = w.step(ctx)
				}
			})
		}
		wg.Wait()
		calls, refused := 0, 0
		for _, w := range workers {
			require.NoError(t, w.failed)
			calls, refused = calls+w.calls, refused+w.refused
		}
		for run, err := range s.Runs(t.Context(), checkpoint.RunsOptions{}) {
			require.NoError(t, err)
			requireIntact(t, s, run.ID)
		}
		require.NoError(t, s.Close())
		t.Logf("%d calls, of which %d found no such run or event, or a conflict", calls, refused)
	})
	if *everythingFor >= time.Minute { // then it is alone
		require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+5 }, 10*time.Second, 10*time.Millisecond, "goroutines are left")
	}
}

// everything is one who calls the methods of a store.
type everything struct {
	s              *checkpoint.EventStore
	r              *rand.Rand
	name           string
	calls, refused int
	failed         error
}

// known are the errors that somebody gets whose run others change. With a deadline of its
// own, a call may also end by that.
var known = []error{checkpoint.ErrNotFound, checkpoint.ErrConflict, checkpoint.ErrPruned, checkpoint.ErrLocked, checkpoint.ErrNotErased, context.DeadlineExceeded, context.Canceled}

// step makes one call.
func (w *everything) step(ctx context.Context) error {
	calls := w.all()
	i := w.r.IntN(len(calls))
	w.calls++
	err := calls[i](ctx, fmt.Sprint("run-", w.r.IntN(4)), 1+w.r.Uint64N(60))
	for _, k := range known {
		if errors.Is(err, k) {
			w.refused++
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("call %d: %w", i, err)
	}
	return nil
}

// state makes a state that says what it is.
func (w *everything) state(node string) []byte {
	text := strings.Repeat(filler(w.r.IntN(300)), w.r.IntN(20))
	return fmt.Appendf(nil, `{"node":%q,"text":%q,"sum":"%x"}`, node, text, sha256.Sum256([]byte(node+text)))
}

// sound checks a state that was read.
func sound(node string, state []byte) error {
	var s struct{ Node, Text, Sum string }
	if err := json.Unmarshal(state, &s); err != nil {
		return fmt.Errorf("a state is %.200q: %w", state, err)
	}
	if s.Node != node || s.Sum != fmt.Sprintf("%x", sha256.Sum256([]byte(s.Node+s.Text))) {
		return fmt.Errorf("the state of node %s is %.200q", node, state)
	}
	return nil
}

func oneSound(cp *checkpoint.Checkpoint, err error) error {
	if err != nil {
		return err
	}
	return sound(cp.NodeID, cp.State)
}

// each reads some events.
func each(seq func(func(*checkpoint.Event, error) bool), most int) error {
	n := 0
	for ev, err := range seq {
		if err != nil {
			return err
		}
		if ev.State != nil {
			if err := sound(ev.NodeID, ev.State); err != nil {
				return err
			}
		}
		if n++; n == most {
			break
		}
	}
	return nil
}

// all are the calls: each with a run and a seq.
func (w *everything) all() []func(ctx context.Context, run string, seq uint64) error {
	s, r := w.s, w.r
	node := func() string { return string("abc"[r.IntN(3)]) }
	save := func(ctx context.Context, run string, seq uint64, opts ...checkpoint.AppendOption) error {
		n := node()
		_, err := s.Append(ctx, &checkpoint.Checkpoint{RunID: run, NodeID: n, State: w.state(n), Seq: seq}, opts...)
		return err
	}
	seqs := func(seq uint64) []uint64 { return []uint64{seq, seq + 1, seq + 5} }
	own := "copy-" + w.name
	traced := func(seq func(func(*checkpoint.Provenance, error) bool)) error {
		for _, err := range seq {
			if err != nil {
				return err
			}
		}
		return nil
	}
	return []func(ctx context.Context, run string, seq uint64) error{
		func(ctx context.Context, run string, _ uint64) error { return save(ctx, run, 0) },
		func(ctx context.Context, run string, _ uint64) error { return save(ctx, run, 0) },
		func(ctx context.Context, run string, _ uint64) error { return save(ctx, run, 0) },
		func(ctx context.Context, run string, _ uint64) error { return save(ctx, run, 0) },
		func(ctx context.Context, run string, seq uint64) error { return save(ctx, run, seq) },
		func(ctx context.Context, run string, _ uint64) error { return save(ctx, run, 0, checkpoint.BeginRun()) },
		func(ctx context.Context, run string, _ uint64) error {
			cp, err := s.Load(ctx, run)
			if err != nil {
				return err
			}
			if err := sound(cp.NodeID, cp.State); err != nil {
				return err
			}
			cp.State = w.state(cp.NodeID)
			return s.Save(ctx, cp)
		},
		func(ctx context.Context, run string, seq uint64) error { return oneSound(s.LoadSeq(ctx, run, seq)) },
		func(ctx context.Context, run string, _ uint64) error { return oneSound(s.LoadNode(ctx, run, node())) },
		func(ctx context.Context, run string, seq uint64) error {
			return oneSound(s.LoadVisit(ctx, run, node(), int(1+seq/4)))
		},
		func(ctx context.Context, run string, _ uint64) error {
			run1, err := s.Run(ctx, run)
			if err != nil {
				return err
			}
			return oneSound(s.LoadNodeAt(ctx, run, node(), run1.Position()))
		},
		func(ctx context.Context, run string, _ uint64) error {
			evs, err := s.Nodes(ctx, run, checkpoint.Position{})
			if err == nil && len(evs) > 3 {
				return fmt.Errorf("%d nodes", len(evs))
			}
			return err
		},
		func(ctx context.Context, run string, seq uint64) error {
			return each(s.History(ctx, run, checkpoint.HistoryOptions{From: seq, Backward: r.IntN(2) == 0, HeadersOnly: r.IntN(2) == 0}), 30)
		},
		func(ctx context.Context, run string, seq uint64) error {
			return each(s.History(ctx, run, checkpoint.HistoryOptions{To: seq, Lineage: true}), 30)
		},
		func(ctx context.Context, run string, seq uint64) error {
			return each(s.Lineage(ctx, run, seq, checkpoint.LineageOptions{}), 30)
		},
		func(ctx context.Context, _ string, _ uint64) error {
			n := 0
			for _, err := range s.Runs(ctx, checkpoint.RunsOptions{ByID: r.IntN(2) == 0, Limit: 5}) {
				if n++; err != nil {
					return err
				}
			}
			return nil
		},
		func(_ context.Context, run string, _ uint64) error { _, err := s.List(run); return err },
		func(ctx context.Context, run string, seq uint64) error {
			_, err := s.Blame(ctx, run, seq, "/text")
			return err
		},
		func(ctx context.Context, run string, seq uint64) error {
			return traced(s.BlameHistory(ctx, run, seq, "/text"))
		},
		func(ctx context.Context, run string, seq uint64) error {
			return traced(s.BlameChildren(ctx, run, seq, ""))
		},
		func(ctx context.Context, run string, seq uint64) error {
			_, err := s.FindOrigin(ctx, checkpoint.Origin{RunID: run, Seq: seq})
			if errors.Is(err, checkpoint.ErrInvalid) {
				return nil
			}
			return err
		},
		func(ctx context.Context, run string, seq uint64) error {
			fork := "fork-" + w.name
			if err := s.Delete(ctx, fork); err != nil {
				return err
			}
			cp, err := s.Fork(ctx, run, seq, fork)
			if err != nil {
				return err
			}
			return sound(cp.NodeID, cp.State)
		},
		func(ctx context.Context, run string, _ uint64) error {
			if r.IntN(4) > 0 {
				return nil
			}
			return s.Delete(ctx, run)
		},
		func(ctx context.Context, run string, seq uint64) error {
			_, err := s.Prune(ctx, run, seqs(seq), "test")
			return err
		},
		func(ctx context.Context, run string, seq uint64) error {
			if r.IntN(4) > 0 {
				return nil
			}
			_, err := s.Redact(ctx, run, seqs(seq), "test")
			return err
		},
		func(ctx context.Context, run string, seq uint64) error {
			_, err := s.TruncateFront(ctx, run, 1+seq/4, "test")
			return err
		},
		func(ctx context.Context, run string, _ uint64) error { _, err := s.Anchor(ctx, run); return err },
		func(ctx context.Context, run string, seq uint64) error { return s.Label(ctx, run, seq, "k", w.name) },
		func(ctx context.Context, run string, seq uint64) error { return s.Unlabel(ctx, run, seq, "k") },
		func(ctx context.Context, run string, seq uint64) error { return s.Pin(ctx, run, seq) },
		func(ctx context.Context, run string, seq uint64) error { return s.Unpin(ctx, run, seq) },
		func(ctx context.Context, run string, _ uint64) error { _, err := s.Marks(ctx, run); return err },
		func(ctx context.Context, _ string, _ uint64) error {
			plan, err := s.Plan(ctx, compaction.KeepLast(10))
			if err == nil {
				_, err = s.RunPlan(ctx, plan, checkpoint.PlanOptions{})
			}
			return err
		},
		func(ctx context.Context, _ string, _ uint64) error {
			_, err := s.Compact(ctx, checkpoint.CompactOptions{})
			return err
		},
		func(ctx context.Context, _ string, _ uint64) error { _, _, err := s.Space(ctx); return err },
		func(ctx context.Context, run string, _ uint64) error {
			rep, err := s.Verify(ctx, run)
			if err == nil && !rep.Intact() {
				return fmt.Errorf("not intact: %w", errors.Join(rep.Problems...))
			}
			return err
		},
		func(ctx context.Context, run string, _ uint64) error {
			var file bytes.Buffer
			if _, err := s.Export(ctx, run, &file); err != nil {
				return err
			}
			other := checkpoint.NewMemoryStore(checkpoint.WithoutCompaction())
			defer other.Close()
			_, err := other.Import(ctx, &file, checkpoint.ImportOptions{})
			return err
		},
		func(ctx context.Context, run string, _ uint64) error {
			var lines bytes.Buffer
			if err := s.ExportLines(ctx, run, &lines, nil); err != nil {
				return err
			}
			if err := s.Delete(ctx, own); err != nil {
				return err
			}
			text := strings.ReplaceAll(lines.String(), `"run_id":"`+run+`"`, `"run_id":"`+own+`"`)
			_, err := s.ImportLines(ctx, strings.NewReader(text), checkpoint.ImportOptions{})
			if errors.Is(err, checkpoint.ErrInvalid) && strings.Contains(err.Error(), "all of its events are pruned") {
				return nil
			}
			return err
		},
		func(ctx context.Context, run string, _ uint64) error {
			ctx, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
			defer cancel()
			if r.IntN(2) == 0 {
				run = ""
			}
			return each(s.Watch(ctx, checkpoint.WatchOptions{Run: run, From: 1, Every: time.Millisecond}), 100)
		},
		func(ctx context.Context, run string, seq uint64) error {
			return s.ExportLines(ctx, run, io.Discard, func(state []byte) ([]byte, error) { return state, soundAny(state) })
		},
	}
}

func soundAny(state []byte) error {
	var s struct{ Node string }
	if err := json.Unmarshal(state, &s); err != nil {
		return err
	}
	return sound(s.Node, state)
}
