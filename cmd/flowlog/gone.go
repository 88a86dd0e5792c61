package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/flowlog/checkpoint"
)

// keptAs says how the state of an event is stored, or what became of it.
func keptAs(e *checkpoint.Event) string {
	if e.PrunedBy != nil && e.PrunedBy.Redacted {
		return "redacted"
	}
	if e.Kind == checkpoint.KindNone {
		return "-"
	}
	return e.Encoding.String()
}

// whyGone says why there is no state, in the words that were given.
func whyGone(e *checkpoint.PrunedError) string {
	switch {
	case e.Policy == "":
		return "not known"
	case e.Redacted:
		return e.Policy
	}
	return inFlags(e.Policy)
}

// goneBriefly says it in a word, of a redacted state with the reason.
func goneBriefly(e *checkpoint.PrunedError) string {
	if e.Redacted {
		return "redacted: " + e.Policy
	}
	return "pruned"
}

// goneText says in a sentence when and why a state went.
func goneText(e *checkpoint.PrunedError) string {
	at := e.At.UTC().Format(time.RFC3339)
	switch {
	case e.Redacted:
		return fmt.Sprintf("The state was redacted at %s: %s.", at, strings.TrimSuffix(e.Policy, "."))
	case e.Policy != "":
		return fmt.Sprintf("The state was pruned by %q at %s.", inFlags(e.Policy), at)
	}
	return "The state was pruned."
}

// goneCounts says how many states are gone, and how many of these were redacted.
func goneCounts(pruned, redacted uint64) string {
	switch redacted {
	case 0:
		return fmt.Sprintf("%d of them pruned", pruned)
	case pruned:
		return fmt.Sprintf("%d of them redacted", redacted)
	}
	return fmt.Sprintf("%d of them pruned, %d redacted", pruned-redacted, redacted)
}

// goneJSON is what became of an event's state as -o json gives it.
type goneJSON struct {
	Pruned   bool `json:"pruned"` // it is gone, also if it was redacted
	Redacted bool `json:"redacted"`
	// PrunedReason is what the trail has: the policies by their names in the library,
	// or the reason that was given.
	PrunedReason string     `json:"pruned_reason,omitempty"`
	PrunedAt     *time.Time `json:"pruned_at,omitempty"`
}

func goneFacts(e *checkpoint.Event) goneJSON {
	j := goneJSON{Pruned: e.Pruned}
	if by := e.PrunedBy; by != nil {
		j.Redacted, j.PrunedReason = by.Redacted, by.Policy
		if at := by.At.UTC(); !at.IsZero() {
			j.PrunedAt = &at
		}
	}
	return j
}

// policyText is a policy as the library names it, in plans and in the trail.
var policyText = regexp.MustCompile(`^(keep-all|keep-newest-per-node|keep-last \d+|(?:keep-for|drop-runs-idle) [\d.hmsdµn]+|keep-labelled .+?)( of graph .+)?$`)

// policyFlags are the flags of prune that make policies of these names. None makes a
// keep-all.
var policyFlags = map[string]string{
	"keep-newest-per-node": "--keep-newest-per-node", "keep-last": "--keep-last", "keep-for": "--older-than",
	"keep-labelled": "--keep-label", "drop-runs-idle": "--drop-idle",
}

// inFlags returns policies, as the trail has them, as the flags of prune that say the
// same. What is no policy is left as it is.
func inFlags(policies string) string {
	var words []string
	for part := range strings.SplitSeq(policies, ", ") {
		if word := inFlag(part); word != "" {
			words = append(words, word)
		}
	}
	if len(words) == 0 {
		return policies
	}
	return strings.Join(words, ", ")
}

// inFlag returns a policy as a flag; nothing if no flag makes it.
func inFlag(policy string) string {
	m := policyText.FindStringSubmatch(policy)
	if m == nil {
		return policy
	}
	name, value, _ := strings.Cut(m[1], " ")
	flag := policyFlags[name]
	if flag == "" {
		return ""
	}
	var age span
	if (name == "keep-for" || name == "drop-runs-idle") && age.Set(value) == nil {
		value = age.String()
	}
	if value != "" {
		flag += " " + value
	}
	return flag + strings.Replace(m[2], " of graph ", " --graph ", 1)
}

// errorText returns what an error says, with the flags of prune for the policies.
func errorText(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*checkpoint.PrunedError](err); ok && !e.Redacted {
		text = strings.Replace(text, strconv.Quote(e.Policy), strconv.Quote(inFlags(e.Policy)), 1)
	}
	return text
}
