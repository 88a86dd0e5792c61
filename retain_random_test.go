package checkpoint_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/compaction"
)

// TestPlanRandomly runs plans on random histories with branches, loops, labels and pins:
// 20 on a storage of each kind, or 500 with FLOWLOG_LONG=1. What is dropped is what the
// plan says, to the event, and all else is as it was, to the byte.
func TestPlanRandomly(t *testing.T) {
	t.Parallel()
	long := os.Getenv("FLOWLOG_LONG") == "1"
	for i, make := range kinds() {
		cases := 20
		if brief() {
			cases = batchOfCases
		}
		if long {
			cases = 500
		}
		t.Run(storages(t)[i].name, func(t *testing.T) {
			t.Parallel()
			var sum planned
			for range cases / batchOfCases {
				rapid.Check(t, func(rt *rapid.T) {
					dir, err := os.MkdirTemp(t.TempDir(), "")
					require.NoError(rt, err)
					rt.Cleanup(func() { os.RemoveAll(dir) })
					p := planned{model: &model{t: rt, st: make(rt, dir), runs: map[string][]*modelEvent{}}}
					p.once()
					sum.pruned += p.pruned
					sum.dropped += p.dropped
					sum.skipped += p.skipped
				})
			}
			t.Logf("%d events pruned, %d runs dropped, %d skipped", sum.pruned, sum.dropped, sum.skipped)
			require.True(t, !long || sum.pruned > 0 && sum.dropped > 0 && sum.skipped > 0)
		})
	}
}

// planned is a model of which a plan is made and run.
type planned struct {
	*model
	pruned, dropped, skipped int
}

func (p *planned) once() {
	p.reopen("")
	for run := range p.n("runs", 3, 4) {
		p.fill(fmt.Sprint("run-", run))
	}
	plan, err := p.s.Plan(p.ctx(), p.policies()...)
	require.NoError(p.t, err)
	before := map[string][]*checkpoint.Event{}
	for run := range p.runs {
		before[run] = events(p.t, p.s, run, checkpoint.HistoryOptions{HeadersOnly: true})
	}
	p.requireTold(plan, before)

	text, err := json.Marshal(plan)
	require.NoError(p.t, err)
	var read checkpoint.Plan
	require.NoError(p.t, json.Unmarshal(text, &read))
	want := map[string]bool{} // the runs that are skipped
	for i := range plan.Runs {
		if p.oneIn(2, "meanwhile") && p.meanwhile(&plan.Runs[i]) {
			want[plan.Runs[i].Run] = true
		}
	}
	res, err := p.s.RunPlan(p.ctx(), read, checkpoint.PlanOptions{Reclaim: p.oneIn(4, "reclaim")})
	require.NoError(p.t, err)
	have := map[string]bool{}
	for _, s := range res.Skipped {
		require.True(p.t, errors.Is(s.Err, checkpoint.ErrConflict) || errors.Is(s.Err, checkpoint.ErrNotFound), "%v", s.Err)
		have[s.Run] = true
	}
	require.Equal(p.t, want, have)
	p.skipped = len(want)
	p.requireDone(plan, res, want, before)
}

// fill makes a run with all that policies look at.
func (p *planned) fill(run string) {
	r := p.random()
	old := time.Duration(p.n("idle hours", 0, 30)) * time.Hour
	events := p.n("events", 1, 60)
	for i := range events {
		all := p.runs[run]
		parent, from := uint64(len(all)), ""
		if parent > 0 {
			if r.IntN(6) == 0 {
				parent = 1 + r.Uint64N(parent)
			}
			from = all[parent-1].state
		}
		ev := &modelEvent{node: string("abc"[r.IntN(3)]), state: p.state(r, run, from), parent: parent}
		c := &checkpoint.Checkpoint{RunID: run, NodeID: ev.node, State: json.RawMessage(ev.state), Seq: parent,
			CreatedAt: time.Now().Add(-old - time.Duration(events-i)*time.Hour), Metadata: checkpoint.Metadata{GraphID: "graph-" + run[len(run)-1:]}}
		if r.IntN(10) == 0 {
			c.Metadata.Labels = map[string]string{"gold": []string{"yes", "no"}[r.IntN(2)]}
		}
		p.at.Store(&c.CreatedAt)
		require.NoError(p.t, p.s.Save(p.ctx(), c))
		p.at.Store(nil)
		p.saved(run, ev, c)
		if i == events/2 {
			if p.oneIn(2, "seal") {
				p.seal(run)
			}
			if p.oneIn(4, "prune") {
				p.prune(run)
			}
		}
	}
	for range max(0, p.n("notes", -6, 6)) {
		seq := 1 + r.Uint64N(uint64(events))
		if r.IntN(20) == 0 {
			seq = 0
		}
		if err := p.note(r, run, seq); !errors.Is(err, checkpoint.ErrPruned) {
			require.NoError(p.t, err)
		}
	}
	if p.oneIn(3, "seal whole") {
		p.seal(run)
	}
}

func (p *planned) note(r *rand.Rand, run string, seq uint64) error {
	switch r.IntN(5) {
	case 0:
		return p.s.Unpin(p.ctx(), run, seq)
	case 1:
		return p.s.Label(p.ctx(), run, seq, "gold", []string{"yes", "no"}[r.IntN(2)])
	case 2:
		return p.s.Unlabel(p.ctx(), run, seq, "gold")
	}
	return p.s.Pin(p.ctx(), run, seq)
}

func (p *planned) policies() []checkpoint.Policy {
	keep := []checkpoint.Policy{
		compaction.KeepLast(p.n("last", 1, 5)), compaction.KeepNewestPerNode(), compaction.KeepLabelled("gold", "yes"),
		compaction.KeepFor(time.Duration(p.n("hours", 1, 40)) * time.Hour), compaction.KeepLast(1).ForGraph("graph-1"), compaction.KeepLabelled("gold", ""),
	}
	drop := []checkpoint.Policy{
		compaction.DropRunsIdle(time.Duration(p.n("idle", 1, 40)) * time.Hour), compaction.DropRunsIdle(time.Minute).ForGraph("graph-2"),
	}
	some := func(from []checkpoint.Policy, least, most int) []checkpoint.Policy {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(from), least, most, rapid.ID).Draw(p.t, "policies")
	}
	if p.oneIn(2, "drop") {
		return append(some(drop, 1, 2), some(keep, 0, 2)...)
	}
	return some(keep, 1, 3)
}

// requireTold holds that a plan speaks of every event of every run once, and rightly.
func (p *planned) requireTold(plan checkpoint.Plan, before map[string][]*checkpoint.Event) {
	require.Len(p.t, plan.Runs, len(before))
	for _, r := range plan.Runs {
		evs := before[r.Run]
		require.EqualValues(p.t, len(evs), r.Last)
		told := map[uint64]string{}
		for _, g := range r.Prune {
			for seq := g.First; seq <= g.Last; seq++ {
				told[seq] += "goes"
			}
		}
		for _, k := range r.Kept {
			require.NotEmpty(p.t, k.Why)
			for seq := k.First; seq <= k.Last; seq++ {
				told[seq] += "stays"
			}
		}
		var pruned, going uint64
		var bytes int64
		for _, ev := range evs {
			switch {
			case ev.Pruned:
				require.Empty(p.t, told[ev.Seq])
				pruned++
				continue
			case r.Drop != "":
				require.Empty(p.t, told)
			default:
				require.Contains(p.t, []string{"goes", "stays"}, told[ev.Seq])
			}
			if r.Drop != "" || told[ev.Seq] == "goes" {
				going, bytes = going+1, bytes+ev.Size
			}
		}
		require.Equal(p.t, []any{pruned, going, bytes}, []any{r.Pruned, r.Events, r.Bytes})
	}
}

// meanwhile changes a run after it was planned, and reports whether it is to be skipped.
func (p *planned) meanwhile(r *checkpoint.PlannedRun) (skipped bool) {
	planned := r.Drop != "" || len(r.Prune) > 0
	victim := uint64(1)
	if len(r.Prune) > 0 {
		victim = r.Prune[p.n("range", 0, len(r.Prune)-1)].Last
	}
	switch p.n("what", 0, 3) {
	case 0:
		p.saveOne(r.Run, p.random(), p.oneIn(2, "aside"), true)
		return r.Drop != ""
	case 1:
		require.NoError(p.t, p.s.Delete(p.ctx(), r.Run))
		delete(p.runs, r.Run)
		if p.oneIn(2, "again") {
			p.saveOne(r.Run, p.random(), false, true)
		}
		return planned
	case 2:
		err := p.s.Pin(p.ctx(), r.Run, victim)
		if errors.Is(err, checkpoint.ErrPruned) {
			return false // there is no pin
		}
		require.NoError(p.t, err)
		return planned
	}
	require.NoError(p.t, p.s.Label(p.ctx(), r.Run, victim, "silver", "yes")) // no policy keeps that
	return false
}

// requireDone holds that what the plan says was done, and nothing else.
func (p *planned) requireDone(plan checkpoint.Plan, res checkpoint.PlanResult, skipped map[string]bool, before map[string][]*checkpoint.Event) {
	followed := checkpoint.Plan{}
	for _, r := range plan.Runs {
		if skipped[r.Run] {
			continue
		}
		followed.Runs = append(followed.Runs, r)
		if r.Drop != "" {
			delete(p.runs, r.Run)
			p.dropped++
		}
		for _, g := range r.Prune {
			for seq := g.First; seq <= g.Last; seq++ {
				p.runs[r.Run][seq-1].pruned = true
				p.pruned++
			}
		}
	}
	total := followed.Total()
	require.Equal(p.t, []int{int(total.Events), total.Runs, total.Dropped}, []int{int(res.Events), res.Runs, res.Dropped})
	p.reopen("")
	have := map[string]bool{}
	for _, run := range runs(p.t, p.s, checkpoint.RunsOptions{}) {
		have[run] = true
	}
	require.Len(p.t, have, len(p.runs))
	for run := range p.runs {
		require.True(p.t, have[run], run)
		p.readHistory(run, checkpoint.HistoryOptions{}) // each state to the byte
		p.summary(run)
		p.verify(run)
		again := events(p.t, p.s, run, checkpoint.HistoryOptions{HeadersOnly: true})
		if old := before[run]; len(again) >= len(old) && again[0].Hash == old[0].Hash {
			for i := range old {
				require.Equal(p.t, old[i].Hash, again[i].Hash)
				require.Equal(p.t, old[i].Checkpoint, again[i].Checkpoint)
			}
		}
	}
}
