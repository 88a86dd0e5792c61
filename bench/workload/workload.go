// Package workload makes the states that flowlog is measured with. What it makes
// depends on its arguments alone.
package workload

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// Words makes text that resembles natural language: a vocabulary of thousands of
// made-up words whose frequencies follow Zipf's law.
type Words struct {
	rng   *rand.Rand
	words []string
	zipf  *rand.Zipf
}

// vocabulary is the number of different words.
const vocabulary = 8000

// NewWords returns a source of text.
func NewWords(seed uint64) *Words {
	rng := rand.New(rand.NewPCG(seed, 0x666c6f67))
	syllables := strings.Fields("ba ce di fo gu la me ni po ru sa te vi zo ther ing an er on st re al en ti ou ght")
	w := &Words{rng: rng, words: make([]string, vocabulary), zipf: rand.NewZipf(rng, 1.2, 2.7, vocabulary-1)}
	for i := range w.words {
		// Frequent words are short, as in any language.
		n := 1 + int(math.Log2(float64(i+2))/4) + rng.IntN(2)
		for range n {
			w.words[i] += syllables[rng.IntN(len(syllables))]
		}
	}
	return w
}

// Text returns about n bytes of text.
func (w *Words) Text(n int) string {
	var b strings.Builder
	for b.Len() < n {
		word := w.words[w.zipf.Uint64()]
		switch w.rng.IntN(40) {
		case 0:
			word += ".\n"
		case 1, 2:
			word += ","
		case 3:
			word = `"` + word + `"`
		}
		b.WriteString(word)
		b.WriteByte(' ')
	}
	return b.String()[:n]
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type agent struct {
	Step      int               `json:"step"`
	Cost      float64           `json:"cost_usd"`
	UpdatedAt string            `json:"updated_at"`
	System    string            `json:"system"`
	Files     map[string]string `json:"files"`
	Messages  []message         `json:"messages"`
}

// Transcript returns the states of an agent's run: a step counter, a cost and a
// timestamp near the start of the JSON, a 12 KB system prompt, six 4 KB files, and
// a message of 0.3 to 5.3 KB more at each step. 200 steps grow to about 0.7 MB and
// take about 65 MB in all. Each state is made when it is asked for.
func Transcript(steps int, seed uint64) func(yield func(step int, state []byte) bool) {
	return func(yield func(int, []byte) bool) {
		w := NewWords(seed)
		a := agent{System: w.Text(12 << 10), Files: map[string]string{}}
		for i := range 6 {
			a.Files[fmt.Sprintf("src/file%d.go", i)] = w.Text(4 << 10)
		}
		for i := 1; i <= steps; i++ {
			a.Step = i
			a.Cost += float64(w.rng.IntN(10_000)) / 1e6
			a.UpdatedAt = fmt.Sprintf("2025-01-15T%02d:%02d:%02d.%06dZ", 10+i/3600, i/60%60, i%60, w.rng.IntN(1e6))
			a.Messages = append(a.Messages, message{Role: [2]string{"assistant", "tool"}[i%2], Content: w.Text(300 + w.rng.IntN(5000))})
			state, err := json.Marshal(a)
			if err != nil {
				panic(err) // strings and numbers only
			}
			if !yield(i, state) {
				return
			}
		}
	}
}

// Small returns a state of about n bytes that is different for each i.
func Small(w *Words, i, n int) []byte {
	state, err := json.Marshal(map[string]any{"step": i, "note": w.Text(max(0, n-40))})
	if err != nil {
		panic(err) // strings and numbers only
	}
	return state
}

// Document returns the versions of a document of about n bytes: between one and the
// next some words at so many places all over it are replaced by others. Each
// version is made when it is asked for.
func Document(versions, n, edits int, seed uint64) func(yield func(version int, state []byte) bool) {
	return func(yield func(int, []byte) bool) {
		w := NewWords(seed)
		text := w.Text(n)
		for i := 1; i <= versions; i++ {
			state, err := json.Marshal(map[string]any{"version": i, "text": text})
			if err != nil {
				panic(err) // strings and numbers only
			}
			if !yield(i, state) {
				return
			}
			for range edits {
				at := w.rng.IntN(len(text) - 100)
				text = text[:at] + w.Text(20+w.rng.IntN(60)) + text[at+w.rng.IntN(80):]
			}
		}
	}
}
