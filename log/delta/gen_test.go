package delta_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// writer makes text like natural language: words of a vocabulary of thousands, the common ones far more often.
type writer struct {
	rng   *rand.Rand
	words []string
	zipf  *rand.Zipf
}

func newWriter(seed uint64) *writer {
	w := &writer{rng: rand.New(rand.NewPCG(seed, 1))}
	syllables := strings.Fields("a be co da el fi ga hu in jo ka le mi no or pa que ri so tu un ve wa xi yo za ster ment tion ing pre con")
	for range 6000 {
		var b strings.Builder
		for range 1 + w.rng.IntN(4) {
			b.WriteString(syllables[w.rng.IntN(len(syllables))])
		}
		w.words = append(w.words, b.String())
	}
	w.zipf = rand.NewZipf(w.rng, 1.07, 4, uint64(len(w.words)-1))
	return w
}

// text is n bytes of sentences without anything JSON would escape.
func (w *writer) text(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(w.words[w.zipf.Uint64()])
		if w.rng.IntN(11) == 0 {
			b.WriteString(".")
		}
		b.WriteString(" ")
	}
	return b.String()[:n]
}

// transcript is the states of an agent's run: a counter, a cost and a time near the start, a long prompt and files that
// stay, and messages, of which each step appends one.
func transcript(steps int) [][]byte {
	w := newWriter(7)
	prompt := w.text(12 << 10)
	var files strings.Builder
	for k := range 6 {
		fmt.Fprintf(&files, `"src/file%d.go":"%s",`, k, w.text(4<<10))
	}
	var messages strings.Builder
	var states [][]byte
	cost := 0.0
	for k := range steps {
		cost += w.rng.Float64() / 50
		role := [...]string{"user", "assistant", "tool"}[k%3]
		if k > 0 {
			messages.WriteByte(',')
		}
		fmt.Fprintf(&messages, `{"role":"%s","id":"msg_%08x","content":"%s"}`, role, w.rng.Uint32(), w.text(300+w.rng.IntN(6400)))
		states = append(states, fmt.Appendf(nil,
			`{"step":%d,"cost_usd":%.6f,"updated_at":"2025-01-15T%02d:%02d:%02d.%06dZ","system":"%s","files":{%s"n":6},"messages":[%s],"done":false}`,
			k+1, cost, 10+k/60, k%60, w.rng.IntN(60), w.rng.IntN(1e6), prompt, files.String(), messages.String()))
	}
	return states
}

// document is versions of one document of about 1.6 MB, each with 20 small edits scattered over it.
func document(versions int) (states [][]byte, literals []int) {
	w := newWriter(11)
	type record struct {
		name, note string
		count      int
		score      float64
	}
	records := make([]record, 6000)
	for k := range records {
		records[k] = record{w.text(24), w.text(120 + w.rng.IntN(120)), w.rng.IntN(100000), w.rng.Float64()}
	}
	for range versions {
		changed := 0
		for range 20 {
			r := &records[w.rng.IntN(len(records))]
			switch w.rng.IntN(3) {
			case 0:
				r.count = w.rng.IntN(100000)
				changed += 5
			case 1:
				r.score = w.rng.Float64()
				changed += 8
			case 2:
				r.name = w.text(10 + w.rng.IntN(30))
				changed += len(r.name)
			}
		}
		b := []byte(`{"records":[`)
		for k, r := range records {
			if k > 0 {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, `{"id":%d,"name":"%s","count":%d,"score":%.6f,"note":"%s"}`, k, r.name, r.count, r.score, r.note)
		}
		states = append(states, append(b, `]}`...))
		literals = append(literals, changed)
	}
	return states, literals
}

// The workloads are made once for all tests and benchmarks.
var (
	transcriptStates = sync.OnceValue(func() [][]byte { return transcript(200) })
	documentStates   = sync.OnceValues(func() ([][]byte, []int) { return document(40) })
)

func randomBytes(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, n)
	for k := range b {
		b[k] = byte(rng.Uint32())
	}
	return b
}
