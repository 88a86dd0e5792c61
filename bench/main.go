// Command bench measures flowlog side by side with what it replaces: flowgraph's
// own SQLite store, and a bare INSERT as the least that SQLite can do.
//
// The sides of a comparison take turns within one run, a slice of work each, and
// what is printed are the medians over the rounds: machines are noisy, and noise
// then hits all sides alike. Every side is durable: SQLite with WAL and
// synchronous=FULL.
//
//	go run ./bench            # all, a few minutes
//	go run ./bench -only save # those whose name contains save
package main

import (
	"flag"
	"fmt"
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

func main() {
	only := flag.String("only", "", "run the comparisons whose name contains this")
	rounds := flag.Float64("rounds", 1, "multiply the number of rounds")
	flag.Parse()
	if err := run(*only, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
}

func run(only string, rounds float64) error {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "comparison\tside\tmedian\tp99\tratio\t")
	for _, c := range comparisons {
		if !strings.Contains(c.name, only) {
			continue
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
		if err := m.run(os.Stdout); err != nil {
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
