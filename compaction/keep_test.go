package compaction_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	. "github.com/flowlog/checkpoint/compaction"
	"github.com/flowlog/checkpoint/log"
)

var now = time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)

// history makes events of a text: one a word, of a node, with what it continues from
// behind a <, else the one before; -label and -label=value; pruned if it ends in !. One that
// begins with ? is a failure, with ?. one without a state. Each is an hour younger than the
// one before, the last an hour old.
func history(text string) []Event {
	var all []Event
	words := strings.Fields(text)
	for i, w := range words {
		seq := uint64(i + 1)
		e := Event{Seq: seq, Parent: seq - 1, CreatedAt: now.Add(time.Duration(i-len(words)) * time.Hour), Size: 10}
		w, e.Pruned = strings.CutSuffix(w, "!")
		w, label, labelled := strings.Cut(w, "-")
		if labelled {
			key, value, _ := strings.Cut(label, "=")
			e.Labels = map[string]string{key: value}
		}
		w, parent, explicit := strings.Cut(w, "<")
		if explicit {
			e.Parent = uint64(parent[0] - '0')
		}
		if w, e.Stateless = strings.CutPrefix(w, "?."); e.Stateless {
			e.Role = log.Failure
		}
		if name, failed := strings.CutPrefix(w, "?"); failed {
			w, e.Role = name, log.Failure
		}
		e.NodeID = w
		all = append(all, e)
	}
	return all
}

func TestKeep(t *testing.T) {
	t.Parallel()
	pinned := func(seqs ...uint64) log.Marks {
		m := log.Marks{Events: map[uint64]log.Mark{}}
		for _, s := range seqs {
			m.Events[s] = log.Mark{Pinned: true}
		}
		return m
	}
	label := func(seq uint64, m log.Mark) log.Marks { return log.Marks{Events: map[uint64]log.Mark{seq: m}} }
	gold := map[string]string{"gold": "yes"}
	tip := "newest of its branch"
	for name, c := range map[string]struct {
		history  string
		marks    log.Marks
		policies []Policy
		want     []string
	}{
		"no policy":                        {"a b", log.Marks{}, nil, []string{"no policy is for its run", "no policy is for its run"}},
		"a policy that drops runs":         {"a b!", log.Marks{}, []Policy{DropRunsIdle(1)}, []string{"no policy is for its run", ""}},
		"a policy for another graph":       {"a b", log.Marks{}, []Policy{KeepLast(1).ForGraph("other")}, []string{"no policy is for its run", "no policy is for its run"}},
		"a policy for this graph":          {"a b", log.Marks{}, []Policy{KeepNewestPerNode().ForGraph("graph"), KeepLast(1).ForGraph("other")}, []string{"newest of node a", "newest of node b"}},
		"the last one":                     {"a b c", log.Marks{}, []Policy{KeepLast(1)}, []string{"", "", "among the last 1 of its branch"}},
		"the last two":                     {"a b c", log.Marks{}, []Policy{KeepLast(2)}, []string{"", "among the last 2 of its branch", "among the last 2 of its branch"}},
		"the last of each branch":          {"a b c d<2 e", log.Marks{}, []Policy{KeepLast(2)}, []string{"", "among the last 2 of its branch", "among the last 2 of its branch", "among the last 2 of its branch", "among the last 2 of its branch"}},
		"two beginnings":                   {"a b<0 c", log.Marks{}, []Policy{KeepLast(1)}, []string{"among the last 1 of its branch", "", "among the last 1 of its branch"}},
		"the last with states":             {"a b c! d!", log.Marks{}, []Policy{KeepLast(1)}, []string{"", "among the last 1 of its branch", "", ""}},
		"all pruned":                       {"a! b!", log.Marks{}, []Policy{KeepLast(1)}, []string{"", ""}},
		"a branch that is pruned":          {"a b c d<2!", log.Marks{}, []Policy{KeepLast(1)}, []string{"", "among the last 1 of its branch", "among the last 1 of its branch", ""}},
		"younger":                          {"a b c", log.Marks{}, []Policy{KeepFor(2 * time.Hour)}, []string{"", "", "younger than 2h0m0s"}},
		"none is younger":                  {"a b c", log.Marks{}, []Policy{KeepFor(time.Minute)}, []string{"", "", tip}},
		"newest per node":                  {"a b a c b a!", log.Marks{}, []Policy{KeepNewestPerNode()}, []string{"", "", "newest of node a", "newest of node c", "newest of node b", ""}},
		"labelled when saved":              {"a-gold=yes b-gold=no c", log.Marks{}, []Policy{KeepLabelled("gold", "yes")}, []string{"labelled gold=yes", "", tip}},
		"labelled with anything":           {"a-gold=yes b-gold=no c", log.Marks{}, []Policy{KeepLabelled("gold", "")}, []string{"labelled gold", "labelled gold", tip}},
		"labelled later":                   {"a b c", label(2, log.Mark{Labels: gold}), []Policy{KeepLabelled("gold", "yes")}, []string{"", "labelled gold=yes", tip}},
		"labelled otherwise later":         {"a-gold=no b c", label(1, log.Mark{Labels: gold}), []Policy{KeepLabelled("gold", "no")}, []string{"", "", tip}},
		"unlabelled later":                 {"a-gold=yes b c", label(1, log.Mark{Unlabelled: map[string]bool{"gold": true}}), []Policy{KeepLabelled("gold", "")}, []string{"", "", tip}},
		"a run that is labelled":           {"a b! c", log.Marks{Run: log.Mark{Labels: gold}}, []Policy{KeepLabelled("gold", "")}, []string{"the run is labelled gold", "", "the run is labelled gold"}},
		"pinned":                           {"a b c", pinned(1), []Policy{KeepLast(1)}, []string{"pinned", "", "among the last 1 of its branch"}},
		"pinned and pruned":                {"a! b c", pinned(1), []Policy{KeepLast(1)}, []string{"", "", "among the last 1 of its branch"}},
		"a run that is pinned":             {"a b", log.Marks{Run: log.Mark{Pinned: true}}, []Policy{KeepLast(1)}, []string{"the run is pinned", "the run is pinned"}},
		"all":                              {"a b", log.Marks{}, []Policy{KeepAll()}, []string{"all are kept", "all are kept"}},
		"what any keeps; the first is why": {"a b c", log.Marks{}, []Policy{KeepFor(90 * time.Minute), KeepNewestPerNode()}, []string{"newest of node a", "newest of node b", "younger than 1h30m0s"}},
		"failures take no place":           {"a b ?.c ?.c", log.Marks{}, []Policy{KeepLast(1)}, []string{"", "among the last 1 of its branch", "it has no state", "it has no state"}},
		"a failure that has a state":       {"a ?b c ?d", log.Marks{}, []Policy{KeepLast(1)}, []string{"", "", "among the last 1 of its branch", "among the last 1 of its branch"}},
		"a branch that failed":             {"a b ?.b c<1", log.Marks{}, []Policy{KeepFor(time.Minute)}, []string{"", tip, "it has no state", tip}},
		"a failure is no visit":            {"a b ?.a ?b", log.Marks{}, []Policy{KeepNewestPerNode()}, []string{"newest of node a", "newest of node b", "it has no state", tip}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, Keep("graph", history(c.history), c.marks, c.policies, now))
		})
	}
}

func TestDrop(t *testing.T) {
	t.Parallel()
	gold := map[string]string{"gold": "yes"}
	idle := DropRunsIdle(time.Hour)
	for name, c := range map[string]struct {
		history     string
		marks       log.Marks
		idle        time.Duration
		policies    []Policy
		why, whyNot string
	}{
		"idle":                    {"a", log.Marks{}, 2 * time.Hour, []Policy{idle}, "idle for 1h0m0s", ""},
		"not idle for so long":    {"a", log.Marks{}, time.Hour, []Policy{idle}, "", ""},
		"another graph":           {"a", log.Marks{}, 2 * time.Hour, []Policy{idle.ForGraph("other")}, "", ""},
		"this graph":              {"a", log.Marks{}, 2 * time.Hour, []Policy{idle.ForGraph("graph")}, "idle for 1h0m0s", ""},
		"no policy drops":         {"a", log.Marks{}, 2 * time.Hour, []Policy{KeepLast(1)}, "", ""},
		"others keep states only": {"a", log.Marks{}, 2 * time.Hour, []Policy{KeepAll(), idle}, "idle for 1h0m0s", ""},
		"pinned":                  {"a", log.Marks{Run: log.Mark{Pinned: true}}, 2 * time.Hour, []Policy{idle}, "", "the run is pinned"},
		"an event is pinned":      {"a b", log.Marks{Events: map[uint64]log.Mark{2: {Pinned: true}}}, 2 * time.Hour, []Policy{idle}, "", "event 2 is pinned"},
		"unpinned":                {"a", log.Marks{Events: map[uint64]log.Mark{1: {}}}, 2 * time.Hour, []Policy{idle}, "idle for 1h0m0s", ""},
		"labelled":                {"a", log.Marks{Run: log.Mark{Labels: gold}}, 2 * time.Hour, []Policy{idle, KeepLabelled("gold", "yes")}, "", "the run is labelled gold=yes"},
		"an event was labelled":   {"a b-gold=yes", log.Marks{}, 2 * time.Hour, []Policy{idle, KeepLabelled("gold", "")}, "", "event 2 is labelled gold"},
		"an event is labelled":    {"a b", log.Marks{Events: map[uint64]log.Mark{1: {Labels: gold}}}, 2 * time.Hour, []Policy{idle, KeepLabelled("gold", "")}, "", "event 1 is labelled gold"},
		"a label nobody keeps":    {"a b-gold=yes", log.Marks{Run: log.Mark{Labels: gold}}, 2 * time.Hour, []Policy{idle}, "idle for 1h0m0s", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := log.Run{GraphID: "graph", SavedAt: now.Add(-c.idle)}
			why, whyNot := Drop(run, history(c.history), c.marks, c.policies, now)
			require.Equal(t, []string{c.why, c.whyNot}, []string{why, whyNot})
		})
	}
}

// TestKeepRandomly holds random histories to the rules as they are written, each looked
// at by itself.
func TestKeepRandomly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "events")
		var events []Event
		marks := log.Marks{Events: map[uint64]log.Mark{}}
		for seq := uint64(1); seq <= uint64(n); seq++ {
			e := Event{Seq: seq, Parent: seq - 1, NodeID: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "node"),
				CreatedAt: now.Add(-time.Duration(rapid.IntRange(0, 20).Draw(t, "age")) * time.Hour)}
			if rapid.IntRange(0, 5).Draw(t, "aside") == 0 {
				e.Parent = rapid.Uint64Range(0, seq-1).Draw(t, "parent")
			}
			e.Pruned = rapid.IntRange(0, 5).Draw(t, "pruned") == 0
			if rapid.IntRange(0, 5).Draw(t, "role") == 0 {
				e.Role, e.Stateless = log.Failure, rapid.Bool().Draw(t, "stateless")
			}
			if rapid.IntRange(0, 5).Draw(t, "label") == 0 {
				e.Labels = map[string]string{"k": "v"}
			}
			if rapid.IntRange(0, 9).Draw(t, "pin") == 0 {
				marks.Events[seq] = log.Mark{Pinned: true}
			}
			events = append(events, e)
		}
		last, age := rapid.IntRange(1, 6).Draw(t, "last"), time.Duration(rapid.IntRange(1, 20).Draw(t, "hours"))*time.Hour
		all := []Policy{KeepLast(last), KeepFor(age), KeepNewestPerNode(), KeepLabelled("k", "v")}
		policies := slices.Clone(all)
		for i := len(policies) - 1; i >= 0; i-- {
			if rapid.Bool().Draw(t, "without") {
				policies = slices.Delete(policies, i, i+1)
			}
		}
		if len(policies) == 0 {
			policies = all
		}
		why := Keep("", events, marks, policies, now)

		// The line of events with states that leads to each end, newest first.
		var lines [][]uint64
		for _, e := range events {
			if slices.ContainsFunc(events, func(c Event) bool { return c.Parent == e.Seq }) {
				continue
			}
			var line []uint64
			for seq := e.Seq; seq > 0; seq = events[seq-1].Parent {
				if !events[seq-1].Pruned {
					line = append(line, seq)
				}
			}
			lines = append(lines, line)
		}
		among := func(seq uint64, n int) bool { // or between and behind the last n checkpoints
			return slices.ContainsFunc(lines, func(line []uint64) bool {
				checkpoints := 0
				for _, s := range line {
					if s == seq {
						return checkpoints < n
					}
					if events[s-1].Role == "" {
						checkpoints++
					}
				}
				return false
			})
		}
		for i, e := range events {
			kept := e.Stateless || among(e.Seq, 1) || marks.Events[e.Seq].Pinned
			for _, p := range policies {
				switch p {
				case all[0]:
					kept = kept || among(e.Seq, last)
				case all[1]:
					kept = kept || now.Sub(e.CreatedAt) < age
				case all[2]:
					kept = kept || e.Role == "" && !slices.ContainsFunc(events[i+1:], func(l Event) bool { return l.NodeID == e.NodeID && l.Role == "" && !l.Pruned })
				case all[3]:
					kept = kept || e.Labels != nil
				}
			}
			require.Equal(t, kept && !e.Pruned, why[i] != "", "seq %d of %+v, kept because of %q", e.Seq, events, why[i])
		}

		// What is kept is kept again when the rest is gone, and more policies keep more.
		for i := range events {
			events[i].Pruned = why[i] == ""
		}
		require.Equal(t, why, Keep("", events, marks, policies, now))
		for i, w := range Keep("", events, marks, append(slices.Clone(policies), KeepAll()), now) {
			require.Equal(t, events[i].Pruned, w == "")
		}
	})
}
