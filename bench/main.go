// Command bench measures flowlog side by side with what it replaces: flowgraph's
// own SQLite store, and a bare INSERT as the least that SQLite can do.
//
// The sides of a comparison take turns within one run, a slice of work each, and
// what is printed are the medians over the rounds: machines are noisy, and noise
// then hits all sides alike. Every side is durable: SQLite with WAL and
// synchronous=FULL.
//
// Beside the comparisons it measures what flowlog has promised: sizes on disk and
// speeds, with the limit next to each. Durable there too is whatever is timed.
//
//	go run ./bench               # all, ten minutes and more
//	go run ./bench -list         # the names
//	go run ./bench -only save    # those whose name contains save
//	go run ./bench -rounds 0.2   # fewer rounds
//	go run ./bench -only flat -events 50000
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// side is one of the things compared.
type side struct {
	name string
	// slice does some work and returns the time it took per operation.
	slice func() (time.Duration, error)
}

// comparison is a set of sides that do the same work. The first is what the others
// are compared with.
type comparison struct {
	name   string
	rounds int
	// setup opens the sides and returns what closes them.
	setup func(dir string) ([]side, func(), error)
}

// measure is what is not a comparison: it prints what it found out, and takes fewer
// or more rounds than usual by a factor.
type measure struct {
	name string
	run  func(out io.Writer, rounds float64) error
}

var measures = []measure{
	{"list 1,000 headers", listHeaders},
	{"size of the transcript", sizeOfStates("size of the 200-step transcript", 0.75, func() [][]byte { return transcriptStates(200) })},
	{"size of documents", sizeOfStates("size of 40 versions of a document with 20 edits each", 0.75, documentStates)},
	{"size of many runs", sizeBesideFlowgraph(10_000, 20, 500, 0.5)},
	{"size of a long run", sizeBesideFlowgraph(1, 100_000, 300, 1.0/3)},
	{"long transcript", longTranscript},
	{"read sealed", readSealed},
	{"blame", blame},
	{"looking", looking},
	{"pressure: save while compaction works", underPressure},
	{"seal on one core", sealSpeed},
	{"shrink", shrink},
	{"plan", plan},
	{"prune", prune},
	{"flat", flat},
	{"many runs", manyRuns},
}

func main() {
	only := flag.String("only", "", "run the comparisons whose name contains this")
	rounds := flag.Float64("rounds", 1, "multiply the number of rounds")
	flag.IntVar(&sizes.events, "events", 1_000_000, "events of the long run of flat")
	flag.IntVar(&sizes.runs, "runs", 1_000_000, "runs of many runs")
	list := flag.Bool("list", false, "list the names and measure nothing")
	child := flag.String("child", "", "used by this command itself, for what needs a process of its own")
	flag.Parse()
	if *list {
		for _, c := range comparisons {
			fmt.Println(c.name)
		}
		for _, m := range measures {
			fmt.Println(m.name)
		}
		return
	}
	if *child != "" {
		if err := runChild(*child, flag.Args()); err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", *child, err)
			os.Exit(2)
		}
		return
	}
	if err := run(*only, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
}

func run(only string, rounds float64) error {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	headed := false
	for _, c := range comparisons {
		if !strings.Contains(c.name, only) {
			continue
		}
		if !headed {
			headed = true
			fmt.Fprintln(out, "comparison\tside\tmedian\tp99\tratio\t")
		}
		c.rounds = max(3, int(float64(c.rounds)*rounds))
		if err := c.run(out); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		out.Flush()
	}
	for _, m := range measures {
		if !strings.Contains(m.name, only) {
			continue
		}
		if err := m.run(os.Stdout, rounds); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

func (c comparison) run(out *tabwriter.Writer) error {
	dir, err := os.MkdirTemp("", "flowlog-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	sides, done, err := c.setup(dir)
	if err != nil {
		return err
	}
	defer done()
	times := make([][]time.Duration, len(sides))
	for round := range c.rounds + 1 {
		for i := range sides {
			at := (i + round) % len(sides) // nobody is always first
			d, err := sides[at].slice()
			if err != nil {
				return fmt.Errorf("%s: %w", sides[at].name, err)
			}
			if round > 0 { // the first is for warming up
				times[at] = append(times[at], d)
			}
		}
	}
	first := median(times[0])
	for i, s := range sides {
		m := median(times[i])
		fmt.Fprintf(out, "%s\t%s\t%v\t%v\t%.2f\t\n", c.name, s.name, m.Round(10*time.Nanosecond), percentile(times[i], 99).Round(10*time.Nanosecond), float64(m)/float64(first))
	}
	return nil
}

func median(d []time.Duration) time.Duration { return percentile(d, 50) }

func percentile(d []time.Duration, p int) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[min(len(d)-1, len(d)*p/100)]
}

// timed returns the time per operation of n operations.
func timed(n int, f func(i int) error) (time.Duration, error) {
	start := time.Now()
	for i := range n {
		if err := f(i); err != nil {
			return 0, err
		}
	}
	return time.Since(start) / time.Duration(n), nil
}
