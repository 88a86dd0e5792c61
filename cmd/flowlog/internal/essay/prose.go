package essay

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// prose makes sentences. Those of one seed are always the same.
type prose struct{ rng *rand.Rand }

func newProse(a, b uint64) *prose { return &prose{rand.New(rand.NewPCG(a, b))} }

// vocabulary returns the words that a slot of a pattern stands for.
func vocabulary(slot byte) []string {
	switch slot {
	case 'a':
		return strings.Fields("steady bitter narrow patient grey salt-worn quiet restless heavy distant careful broken hollow " +
			"faithful sudden pale stubborn northern unlit weary")
	case 'n':
		return strings.Fields("keeper lamp logbook entry reef tide fog storm wick oil lens gallery signal harbour boat crew " +
			"page margin watch coast rock wind bell beacon visitor inspector mirror stair")
	case 'v':
		return strings.Fields("kept marked crossed outlived recorded doubted followed answered weighed repeated carried lit " +
			"missed questioned trimmed copied guarded named counted left")
	case 'p':
		return strings.Split("before the turn of the tide|in the second watch|against all advice|without a word|as the rule required|"+
			"until the oil ran low|for nineteen winters|under a falling glass|long after the boats were in|by the light of the lamp itself|"+
			"where nobody would look|for whoever came next", "|")
	case 'k':
		return strings.Fields("Skerryvore Fastnet Muckle Eddystone Kinnaird Ailsa Rattray Longstone Bell Sumburgh")
	case 'c':
		return strings.Split("and so|and yet|because|although|while|so that|even as|since|which is why|until", "|")
	}
	return nil
}

// patterns are sentences; a letter between braces is a word of that vocabulary.
func patterns() []string {
	return []string{
		"The {a} {n} {v} the {n} {p}.",
		"At {k} the {n} {v} every {n}, {c} the {n} {v} the {a} {n} {p}.",
		"What the {n} {v} {p}, the {a} {n} never {v} again.",
		"No {n} of {k} {v} a {n} {p}, {c} a {a} {n} {v} it {p}.",
		"It is the {n}, not the {a} {n}, that {v} the {n} {p}.",
		"They {v} the {n} twice, {c} one {a} {n} {v} the other {n}.",
		"A {n} that is {v} {p} is worth more than a {a} {n}.",
		"Nothing in the {n} was struck out, {c} the {a} {n} {v} the {n} {p}.",
	}
}

func (p *prose) pick(from []string) string { return from[p.rng.IntN(len(from))] }

func (p *prose) sentence() string {
	var b strings.Builder
	for pattern := p.pick(patterns()); pattern != ""; {
		before, rest, found := strings.Cut(pattern, "{")
		b.WriteString(before)
		if !found {
			break
		}
		b.WriteString(p.pick(vocabulary(rest[0])))
		pattern = rest[len("a}"):]
	}
	return withArticles(b.String())
}

// withArticles makes "a entry" "an entry".
func withArticles(s string) string {
	for _, vowel := range []string{"e", "i", "o", "u"} {
		s = strings.ReplaceAll(s, " a "+vowel, " an "+vowel)
		if rest, ok := strings.CutPrefix(s, "A "+vowel); ok {
			s = "An " + vowel + rest
		}
	}
	return s
}

func (p *prose) paragraph(sentences int) string {
	list := make([]string, sentences)
	for i := range list {
		list[i] = p.sentence()
	}
	return strings.Join(list, " ")
}

// logbook returns a source: a winter's entries of a lighthouse.
func (p *prose) logbook(year, entries int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d\n", p.pick(vocabulary('k')), year)
	for range entries {
		fmt.Fprintf(&b, "%02d:%02d  bar. %d.%02d  wind %s %d  %s\n", p.rng.IntN(24), p.rng.IntN(60), 28+p.rng.IntN(3), p.rng.IntN(100),
			p.pick([]string{"N", "NE", "E", "SE", "S", "SW", "W", "NW"}), p.rng.IntN(12), p.sentence())
	}
	return b.String()
}

// revise returns a text with a sentence of it changed here and there.
func (p *prose) revise(text string) string {
	sentences := strings.SplitAfter(text, ". ")
	for range 3 {
		sentences[p.rng.IntN(len(sentences))] = p.sentence() + " "
	}
	return strings.Join(sentences, "")
}
