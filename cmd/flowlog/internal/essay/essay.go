// Package essay is the workload of flowlog's demo: an agent that writes an essay,
// as a graph of flowgraph's own engine.
//
//	plan -> write -> review -> write again, or publish
//
// It needs no network and no model. What it writes is drawn from a small
// vocabulary by a generator with a fixed seed, so every run of it writes the same
// words. The state is what an agent's state is like: a conversation that only
// grows, a few files, a cost, a counter.
package essay

import (
	"context"
	"fmt"
	"time"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
)

// GraphID names the graph in flowlog's events.
const GraphID = "essay"

// The nodes of the graph.
const (
	Plan    = "plan"
	Write   = "write"
	Review  = "review"
	Publish = "publish"
)

// State is what flows through the graph.
type State struct {
	Task string `json:"task"`
	// Passes is how many drafts the reviewer wants, Pass how many there are.
	Passes   int               `json:"passes"`
	Pass     int               `json:"pass"`
	Step     int               `json:"step"`
	CostUSD  float64           `json:"cost_usd"`
	Verdict  string            `json:"verdict,omitempty"`
	Files    map[string]string `json:"files"`
	Messages []Message         `json:"messages"`
}

// Message is a turn of the conversation.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// New returns the state that the graph begins with.
func New(passes int) State {
	return State{
		Task:   "Write an essay on what lighthouse keepers can teach us about keeping logs.",
		Passes: passes,
		Files:  map[string]string{},
	}
}

// Work says how the nodes do theirs.
type Work struct {
	// Pace is what a node's work takes.
	Pace time.Duration
	// Entered is called when a node's work begins, with the draft it works on.
	// It may be nil.
	Entered func(node string, pass int)
	// SlowPass is a draft whose writing takes a minute, as calls of a model
	// sometimes do; 0 for none.
	SlowPass int
}

// slow is what the writing of SlowPass takes.
const slow = time.Minute

// Graph returns the compiled graph.
func Graph(w Work) (*flowgraph.CompiledGraph[State], error) {
	return flowgraph.NewGraph[State]().
		AddNode(Plan, w.node(Plan, plan)).
		AddNode(Write, w.node(Write, write)).
		AddNode(Review, w.node(Review, review)).
		AddNode(Publish, w.node(Publish, publish)).
		SetEntry(Plan).
		AddEdge(Plan, Write).
		AddEdge(Write, Review).
		AddConditionalEdge(Review, func(_ flowgraph.Context, s State) string {
			if s.Pass < s.Passes {
				return Write
			}
			return Publish
		}).
		AddEdge(Publish, flowgraph.END).
		Compile()
}

// node returns a node's function: it takes its time, then does.
func (w Work) node(name string, do func(*State, *prose)) flowgraph.NodeFunc[State] {
	return func(ctx flowgraph.Context, s State) (State, error) {
		pass, takes := s.Pass, w.Pace
		if name == Write {
			pass++
			if pass == w.SlowPass {
				takes = slow
			}
		}
		if w.Entered != nil {
			w.Entered(name, pass)
		}
		if err := sleep(ctx, takes); err != nil {
			return s, err
		}
		s.Step++
		do(&s, newProse(uint64(s.Step), uint64(s.Passes)))
		return s, nil
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// article is the file that the agent writes.
const article = "essay.md"

func plan(s *State, p *prose) {
	s.say("system", "You write essays. Read the sources before you write, and never erase what a keeper wrote.")
	s.say("user", s.Task)
	s.say("assistant", "Plan: a first draft from memory; then a source and a section each time; then ask the reviewer.\n"+p.paragraph(2))
	s.Files["plan.md"] = "# Plan\n\n1. " + p.sentence() + "\n2. " + p.sentence() + "\n"
}

// write makes the next draft: the first one from memory, the others from sources.
func write(s *State, p *prose) {
	s.Pass++
	if s.Pass == 1 {
		s.Files[article] = "# What the keepers wrote\n\n" + p.paragraph(3) + "\n"
		s.say("assistant", "First draft, from memory. "+p.sentence())
		return
	}
	year := 1859 + 2*s.Pass
	source := fmt.Sprintf("logbook-%d.txt", year)
	s.say("assistant", fmt.Sprintf(`{"tool":"read_file","path":%q}`, source))
	s.say("tool", p.logbook(year, 110))
	s.say("assistant", "Noted from "+source+":\n"+p.paragraph(12))
	s.Files["notes/"+source] = p.paragraph(6)
	s.Files[article] = p.revise(s.Files[article]) + fmt.Sprintf("\n## The winter of %d\n\n", year) + p.paragraph(9) + "\n\n" + p.paragraph(7) + "\n"
	s.spend(21_000)
}

func review(s *State, p *prose) {
	s.Verdict = "again"
	if s.Pass >= s.Passes {
		s.Verdict = "publish"
	}
	s.say("reviewer", fmt.Sprintf("Draft %d of %d. %s Verdict: %s.", s.Pass, s.Passes, p.sentence(), s.Verdict))
}

func publish(s *State, p *prose) {
	s.Files["published.txt"] = fmt.Sprintf("%d bytes after %d steps\n", len(s.Files[article]), s.Step)
	s.say("assistant", "Published. "+p.sentence())
}

// say adds a turn to the conversation.
func (s *State) say(role, content string) {
	s.Messages = append(s.Messages, Message{Role: role, Content: content})
	s.spend(len(content))
}

// spend counts what a model would have charged for n bytes.
func (s *State) spend(n int) {
	micros := int(s.CostUSD*1e6+0.5) + n
	s.CostUSD = float64(micros) / 1e6
}
