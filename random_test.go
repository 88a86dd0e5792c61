package checkpoint_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowlog/checkpoint"
)

// batchOfCases is how many cases one rapid.Check tries; TestMain says so.
const batchOfCases = 10

// TestRandomOperations compares stores with a plain model, in cases of some 30
// random operations each: 100 on a store in memory and 20 on the others, or with
// FLOWLOG_LONG=1 in the environment 2,000 and 200. A case that fails is made as
// short as it can be, and printed with what repeats it.
func TestRandomOperations(t *testing.T) {
	t.Parallel()
	for i, make := range kinds() {
		cases := 20
		if i == 0 {
			cases = 100
		}
		if brief() {
			cases = batchOfCases
		}
		if os.Getenv("FLOWLOG_LONG") == "1" {
			cases *= 10
			if i == 0 {
				cases *= 2
			}
		}
		name := storages(t)[i].name
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var done, events atomic.Int64
			for range cases / batchOfCases {
				rapid.Check(t, func(rt *rapid.T) {
					dir, err := os.MkdirTemp(t.TempDir(), "")
					require.NoError(rt, err)
					rt.Cleanup(func() { os.RemoveAll(dir) })
					m := &model{t: rt, st: make(rt, dir), runs: map[string][]*modelEvent{}}
					m.repeat()
					done.Add(1)
					for _, all := range m.runs {
						events.Add(int64(len(all)))
					}
				})
			}
			t.Logf("%d cases, %d events in the end", done.Load(), events.Load())
		})
	}
}

// repeat does random operations, then looks at all runs.
func (m *model) repeat() {
	m.reopen("")
	actions := map[string]func(*rapid.T){}
	for _, op := range []struct {
		name   string
		weight int
		do     func(run string)
	}{
		{"save", 9, m.save}, {"many", 1, m.saveMany}, {"after", 2, m.appendAfter}, {"load", 1, m.load}, {"load seq", 2, m.loadSeq},
		{"history", 2, m.history}, {"list", 1, m.list}, {"visit", 2, m.visit}, {"nodes", 2, m.nodes}, {"summary", 1, m.summary}, {"prune", 1, m.prune},
		{"delete", 1, m.remove}, {"verify", 1, m.verify}, {"runs", 1, m.listRuns}, {"reopen", 1, m.reopen}, {"seal", 3, m.seal},
	} {
		for i := range op.weight {
			actions[fmt.Sprint(op.name, " ", i)] = func(*rapid.T) { op.do(fmt.Sprint("run-", m.n("run", 0, 2))) }
		}
	}
	m.t.Repeat(actions)
	for run := range m.runs {
		m.readHistory(run, checkpoint.HistoryOptions{})
		m.readHistory(run, checkpoint.HistoryOptions{Backward: true})
		m.summary(run)
		m.verify(run)
	}
}

func (m *model) reopen(string) {
	if m.s != nil && m.oneIn(2, "close") {
		require.NoError(m.t, m.s.Close())
	}
	opts := rapid.SampledFrom([][]checkpoint.Option{
		{checkpoint.WithoutCompaction()}, {checkpoint.WithoutCompaction(), checkpoint.WithCacheBytes(1)},
		{checkpoint.WithoutCompaction(), checkpoint.WithPlainUpTo(100)}, {checkpoint.WithPlainStates()}, {checkpoint.WithIdle(time.Millisecond)},
	}).Draw(m.t, "options")
	m.s = m.st.open(m.t, append(opts, checkpoint.WithClock(m.now))...)
}

// now is the time that was set, or the real one.
func (m *model) now() time.Time {
	if at := m.at.Load(); at != nil {
		return *at
	}
	return time.Now()
}

// seal seals what fills segments, or all there is: nobody may notice.
func (m *model) seal(string) {
	_, err := m.s.Compact(m.ctx(), checkpoint.CompactOptions{Idle: time.Duration(m.n("hours idle", 0, 1)) * time.Hour})
	require.NoError(m.t, err)
}
