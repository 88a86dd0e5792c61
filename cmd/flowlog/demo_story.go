package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/flowlog/checkpoint/cmd/flowlog/internal/essay"
)

// How the demo's agent works.
const (
	passes       = 7          // drafts that the reviewer wants
	killedAt     = 5          // the draft in whose writing the process is killed
	backTo       = "review#2" // where another way begins
	branchPasses = 4          // drafts on that way
	small        = "review#1" // whose state fits a screen
)

// story runs the demo and tells what happens.
type story struct {
	*screen
	cli  *cli
	at   place
	run  string
	pace time.Duration

	visits map[string]uint64 // events so far, by node
	acked  int               // events that were acknowledged
}

func newStory(c *cli, at place, run string, pace time.Duration) *story {
	return &story{screen: c.out, cli: c, at: at, run: run, pace: pace, visits: map[string]uint64{}}
}

// tell is the demo.
func (s *story) tell(ctx context.Context) error {
	s.line("%s drafts an essay and has it reviewed, again and again, on flowgraph.", s.paint(bold, "An agent"))
	s.line("Its checkpoints go to %s, as the run %s.", s.at.path, s.paint(bold, s.run))
	for _, chapter := range []func(context.Context) error{s.work, s.survive, s.resume, s.goBack, s.look} {
		if err := chapter(ctx); err != nil {
			return err
		}
		if err := s.flush(); err != nil {
			return err // nobody is listening
		}
	}
	return s.suggest()
}

// work runs the agent, and kills it.
func (s *story) work(ctx context.Context) error {
	c, err := startChild(ctx, s.task(func(t *agentTask) { t.slowPass = killedAt }))
	if err != nil {
		return err
	}
	s.chapter("1  It works, in process %d", c.pid())
	for r, ok := c.next(); ok; r, ok = c.next() {
		if r.Entered != essay.Write || r.Pass != killedAt {
			s.event(r)
			continue
		}
		paused := pause(ctx, s.pace)
		late, err := c.kill()
		if paused != nil {
			return paused
		}
		for _, r := range late {
			s.event(r)
		}
		s.line("       %s  %s", s.paint(bold, fmt.Sprintf("%-10s", visitName(essay.Write, "", s.visits[essay.Write]+1))), s.paint(red, "SIGKILL, in the middle of it"))
		return err
	}
	if err := c.wait(ctx); err != nil {
		return err
	}
	return fmt.Errorf("the agent ended before it could be killed")
}

// pause lets some time pass.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// survive looks at what the killed process left behind.
func (s *story) survive(ctx context.Context) error {
	s.chapter("2  What is left of it")
	store, err := s.cli.openToLook(s.at)
	if err != nil {
		return err
	}
	defer store.Close()
	run, err := store.Run(ctx, s.run)
	if err != nil {
		return err
	}
	report, err := store.Verify(ctx, s.run)
	if err != nil {
		return err
	}
	if !report.Intact() || run.Last < uint64(s.acked) {
		return fmt.Errorf("the store lost something: %s; %d events were acknowledged", report, s.acked)
	}
	s.line("   All %d acknowledged checkpoints. Every state was read back and matches its hash,", s.acked)
	s.line("   and the chain from the first to the last is %s.", s.paint(green, "intact"))
	s.line("   The newest is %s, to go on with %s. Only unsaved work is gone.",
		s.paint(bold, visitName(run.NodeID, "", s.visits[run.NodeID])), next(run.NextNode))
	return nil
}

// resume goes on where the killed process was.
func (s *story) resume(ctx context.Context) error {
	return s.follow(ctx, "3  Process %d resumes", s.task(func(t *agentTask) { t.resume = true }))
}

// goBack goes on from an earlier visit.
func (s *story) goBack(ctx context.Context) error {
	task := s.task(func(t *agentTask) { t.from, t.passes = backTo, branchPasses })
	return s.follow(ctx, "4  Process %d goes back to "+backTo+", and asks for "+fmt.Sprint(branchPasses)+" drafts instead of "+fmt.Sprint(passes), task)
}

func (s *story) task(change func(*agentTask)) agentTask {
	t := agentTask{at: s.at, run: s.run, wait: s.cli.wait, pace: s.pace, passes: passes}
	change(&t)
	return t
}

// follow tells of a process to its end. The title has a place for its id.
func (s *story) follow(ctx context.Context, title string, task agentTask) error {
	c, err := startChild(ctx, task)
	if err != nil {
		return err
	}
	s.chapter(title, c.pid())
	for r, ok := c.next(); ok; r, ok = c.next() {
		s.event(r)
	}
	return c.wait(ctx)
}

// event tells of an acknowledged event.
func (s *story) event(r agentReport) {
	if r.Seq == 0 {
		return
	}
	from := ""
	if r.Parent != r.Seq-1 {
		from = s.paint(blue, fmt.Sprintf("  from %d", r.Parent))
	}
	s.acked++
	s.visits[r.NodeID]++
	s.line("%s  %s  %s%s", s.paint(faint, fmt.Sprintf("%5d", r.Seq)), s.paint(bold, fmt.Sprintf("%-10s", visitName(r.NodeID, "", s.visits[r.NodeID]))),
		fmt.Sprintf("%8s", size(int64(r.Size))), from)
}

// look shows the history and what it cost.
func (s *story) look(ctx context.Context) error {
	s.chapter("5  The history")
	store, err := s.cli.openToLook(s.at)
	if err != nil {
		return err
	}
	defer store.Close()
	l := looker{store: store, ctx: ctx}
	run, err := store.Run(ctx, s.run)
	if err != nil {
		return err
	}
	layout := clock(run.CreatedAt, run.UpdatedAt)
	table := newHistoryTable(func(at time.Time) string { return at.Local().Format(layout) }, false)
	chart, err := l.chart(run)
	if err != nil {
		return err
	}
	table.tree = chart.tree()
	largest := int64(0)
	for e, err := range l.entries(run, listing{}) {
		if err != nil {
			return err
		}
		table.add(e)
		largest = max(largest, e.Size)
	}
	table.writeStored(s.screen, "  ") // so that it fits 80 columns
	s.line("\n   %s.", summary(s.screen, run))
	s.line("   The largest state alone takes %s.", size(largest))
	return nil
}

// suggest says what to try next, in commands that can be copied. The store is
// closed by then, so its file may be looked at.
func (s *story) suggest() error {
	s.chapter("6  Look for yourself")
	call := invocation()
	store := ""
	if found, err := (&cli{}).place(); err != nil || !sameFile(found.path, s.at.path) {
		store = " --store " + quote(s.at.path)
	}
	lines := []string{
		call + " runs" + store,
		call + " history " + quote(s.run) + store,
		call + " diff " + quote(s.run+"@"+small) + store,
		call + " show " + quote(s.run+"@"+small) + store,
	}
	if s.at.kind == sqliteKind {
		lines = append(lines, "sqlite3 "+quote(s.at.path)+" "+quote("SELECT run, seq, node, time, encoding, state FROM history"))
	}
	for _, line := range lines {
		s.line("   %s", line)
	}
	return s.flush()
}

func sameFile(a, b string) bool {
	a, errA := filepath.Abs(a)
	b, errB := filepath.Abs(b)
	return errA == nil && errB == nil && a == b
}

// chapter begins a part of the story.
func (s *story) chapter(title string, args ...any) {
	s.line("\n%s", s.paint(bold, fmt.Sprintf(title, args...)))
}

// line tells a line at once.
func (s *story) line(format string, args ...any) {
	s.printf("%s\n", strings.TrimRight(fmt.Sprintf(format, args...), " "))
	s.flush()
}
