package compaction

import (
	"fmt"
	"strings"
	"time"

	"github.com/flowlog/checkpoint/log"
)

// Rule names what a policy does.
type Rule string

// The rules. They are stored, in plans.
const (
	keepAll           Rule = "keep-all"
	keepLast          Rule = "keep-last"
	keepFor           Rule = "keep-for"
	keepNewestPerNode Rule = "keep-newest-per-node"
	keepLabelled      Rule = "keep-labelled"
	dropRunsIdle      Rule = "drop-runs-idle"
)

// Policy says which events keep their states, or which runs go as a whole. It is a
// value: made by KeepLast and the others, compared with ==, and written as JSON.
//
// What any policy keeps is kept. A run that none with Keep in its name is for keeps all
// states. Whatever the policies are, the newest checkpoint of each branch that has its
// state keeps it, and so do pinned events and all those of a pinned run. Failures and
// other events with a role do not count as checkpoints.
type Policy struct {
	Rule Rule `json:"rule"`
	// N is a number of events.
	N int `json:"n,omitempty"`
	// Age is in nanoseconds.
	Age time.Duration `json:"age_ns,omitempty"`
	// Key and Value are a label; an empty Value stands for any.
	Key   string `json:"key,omitempty"`
	Value string `json:"value,omitempty"`
	// Graph, if not empty, restricts the policy to runs whose newest event is of this
	// graph. Other runs are as if there were no such policy.
	Graph string `json:"graph,omitempty"`
}

// KeepAll keeps all states.
func KeepAll() Policy { return Policy{Rule: keepAll} }

// KeepLast keeps the states of the last n checkpoints of each branch, counted from its end
// towards its beginning; of those that have their states.
func KeepLast(n int) Policy { return Policy{Rule: keepLast, N: n} }

// KeepFor keeps the states of events that are younger than d, by their CreatedAt.
func KeepFor(d time.Duration) Policy { return Policy{Rule: keepFor, Age: d} }

// KeepNewestPerNode keeps for each node of a run the state of its newest checkpoint that has
// one, over all branches.
func KeepNewestPerNode() Policy { return Policy{Rule: keepNewestPerNode} }

// KeepLabelled keeps the states of events that have a label, and all those of a run that
// was given it; with an empty value whatever the label's value is. Labels are those that
// were saved with the event, and those that were given later, which go before. Such a
// run, and one with such an event, is not dropped either.
func KeepLabelled(key, value string) Policy {
	return Policy{Rule: keepLabelled, Key: key, Value: value}
}

// DropRunsIdle drops runs that had no event for d: not only their states, all of them, as
// if by Delete. Runs that are pinned, or have a pinned event, stay. Both are older than d:
// when the newest event was appended ([log.Run.SavedAt]), and its CreatedAt, which a caller
// may set. So a run that is being copied with Save stays; one that was imported with its
// hashes keeps its age, and is to be pinned.
func DropRunsIdle(d time.Duration) Policy { return Policy{Rule: dropRunsIdle, Age: d} }

// ForGraph returns the policy restricted to runs of one graph.
func (p Policy) ForGraph(id string) Policy {
	p.Graph = id
	return p
}

// String returns the policy as the notes of what was pruned name it, for good, such as
// "keep-last 3 of graph essay". The command flowlog shows it as the flags that say the same.
func (p Policy) String() string {
	s := string(p.Rule)
	switch p.Rule {
	case keepLast:
		s += fmt.Sprint(" ", p.N)
	case keepFor, dropRunsIdle:
		s += " " + span(p.Age)
	case keepLabelled:
		s += " " + p.label()
	}
	if p.Graph != "" {
		s += " of graph " + p.Graph
	}
	return s
}

// span writes a time span in days, if it is of whole ones.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	if d > 0 && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}

func (p Policy) label() string {
	if p.Value == "" {
		return p.Key
	}
	return p.Key + "=" + p.Value
}

// check returns what is wrong with the policy.
func (p Policy) check() error {
	wrong := ""
	switch p.Rule {
	case keepAll, keepNewestPerNode:
	case keepLast:
		if p.N < 1 {
			wrong = "the number of events must be at least 1"
		}
	case keepFor, dropRunsIdle:
		if p.Age <= 0 {
			wrong = "the time must be more than 0"
		}
	case keepLabelled:
		if p.Key == "" {
			wrong = "the label has no name"
		}
	default:
		wrong = "there is no such rule"
	}
	if wrong == "" {
		return nil
	}
	return fmt.Errorf("%w policy %q: %s", log.ErrInvalid, p, wrong)
}

// keeps reports whether the policy is one that keeps states.
func (p Policy) keeps() bool { return p.Rule != dropRunsIdle }

// of returns the policies that are for runs of a graph.
func of(graph string, policies []Policy) []Policy {
	var all []Policy
	for _, p := range policies {
		if p.Graph == "" || p.Graph == graph {
			all = append(all, p)
		}
	}
	return all
}

// labelled reports whether a KeepLabelled is for these labels, and returns the label.
func labelled(labels map[string]string, policies []Policy) (string, bool) {
	for _, p := range policies {
		if v, ok := labels[p.Key]; ok && p.Rule == keepLabelled && (p.Value == "" || p.Value == v) {
			return p.label(), true
		}
	}
	return "", false
}

// names joins the policies that keep, for a note.
func names(policies []Policy) string {
	var all []string
	for _, p := range policies {
		if p.keeps() {
			all = append(all, p.String())
		}
	}
	s := strings.Join(all, ", ")
	if len(s) > log.MaxID {
		s = strings.ToValidUTF8(s[:log.MaxID-3], "") + "..."
	}
	return s
}
