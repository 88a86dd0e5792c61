package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
)

// compact returns the verb that makes a store smaller.
func (c *cli) compact() *cobra.Command {
	idle := span(time.Minute)
	cmd := &cobra.Command{
		Use: "compact",
		Example: `  flowlog compact
  flowlog compact --idle 0s
  flowlog compact --idle 24h -o json | jq .disk_after`,
		Short: "Make a store smaller, losing nothing.",
		Long: `Compact seals events: up to 256 of a run go into one block that is compressed as
a whole. It takes whole runs that have had no event for as long as --idle says, and
of the others what fills a block. Then it erases what that replaced, and gives the
disk space back.

Nothing is lost: every event and state answers as before. Programs may use a SQLite
store meanwhile; a bbolt store must not be open elsewhere. Ctrl-C stops it after the
step at hand; what was done is kept, and calling it again goes on from there. While
another process compacts the store, it waits.

A run that is damaged is left as it is and named on stderr; then the exit code is 1,
and all others are compacted nevertheless. A file that is damaged itself, in the
database's own pages, is left alone.`,
		Args: arguments(),
	}
	output := outputFlag(cmd)
	cmd.Flags().Var(&idle, "idle", "seal whole the runs without an event for so long, as in\n12h or 30d; 0s for all runs")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if idle < 0 {
			return usage("--idle %s: it is how long ago a run's last event was, or 0s for all runs", &idle)
		}
		store, err := c.openToWrite()
		if err != nil {
			return err
		}
		defer store.Close()
		return c.compactStore(cmd.Context(), store, idle.duration(), *output)
	}
	return cmd
}

func (c *cli) compactStore(ctx context.Context, store *checkpoint.EventStore, idle time.Duration, f format) error {
	meter, err := c.meter()
	if err != nil {
		return err
	}
	report, err := store.Compact(ctx, checkpoint.CompactOptions{Idle: idle, Progress: meter.show})
	meter.clear()
	for _, skipped := range report.Skipped {
		c.say("left as it is: %v", skipped.Err)
	}
	if err == nil || report.Sealed.Events > 0 || ctx.Err() != nil {
		// What was reached is to be said also after a Ctrl-C.
		if e := c.compacted(context.WithoutCancel(ctx), store, report, idle, err == nil, f); err == nil {
			err = e
		}
	}
	switch {
	case ctx.Err() != nil && err != nil:
		c.say("what was done is kept; `flowlog compact` goes on from there")
	case err == nil && len(report.Skipped) > 0:
		return &exitError{codeDamaged, fmt.Sprintf("%s could not be sealed; the rest of the store was compacted", count(len(report.Skipped), "damaged run"))}
	}
	return err
}

// compactJSON is what compact did as -o json gives it. Sizes are in bytes.
type compactJSON struct {
	Complete     bool          `json:"complete"` // false if it was stopped
	Runs         int           `json:"runs"`
	Events       uint64        `json:"events"`
	Segments     int           `json:"segments"`
	Bytes        int64         `json:"bytes"` // of the events' states
	StoredBefore int64         `json:"stored_before"`
	StoredAfter  int64         `json:"stored_after"`
	DiskBefore   int64         `json:"disk_before"`
	DiskAfter    int64         `json:"disk_after"`
	Skipped      []skippedJSON `json:"skipped"`
}

type skippedJSON struct {
	RunID string `json:"run_id"`
	Error string `json:"error"`
}

// compacted writes what compact did, or had done when it was stopped.
func (c *cli) compacted(ctx context.Context, store *checkpoint.EventStore, r checkpoint.CompactReport, idle time.Duration, complete bool, f format) error {
	if r.Before == 0 && !complete { // it was stopped before it began
		var err error
		if r.Before, _, err = store.Space(ctx); err != nil {
			return err
		}
		r.After = r.Before
	}
	if f != formatText {
		doc := compactJSON{
			Complete: complete, Runs: r.Runs, Events: r.Sealed.Events, Segments: r.Sealed.Segments, Bytes: r.Sealed.States,
			StoredBefore: r.Sealed.Before, StoredAfter: r.Sealed.After, DiskBefore: r.Before, DiskAfter: r.After, Skipped: []skippedJSON{},
		}
		for _, s := range r.Skipped {
			doc.Skipped = append(doc.Skipped, skippedJSON{s.Run, s.Err.Error()})
		}
		return writeJSON(c.out, f, doc)
	}
	c.out.printf("%s\n", compactText(c.out, r, complete))
	switch {
	case !complete:
		return nil
	case r.Sealed.Events > 0:
		return c.sayFree(ctx, store, r)
	}
	return c.sayUnsealed(ctx, store, r, idle)
}

// sayFree says where the space is, for who wonders why the file is no smaller: a
// bbolt file is written anew only when that gives back enough.
func (c *cli) sayFree(ctx context.Context, store *checkpoint.EventStore, r checkpoint.CompactReport) error {
	_, free, err := store.Space(ctx)
	if err == nil && r.After >= r.Before && free > 0 {
		c.say("%s in the file are free, for the next events", size(free))
	}
	return err
}

// compactText says in a line what compact did.
func compactText(s *screen, r checkpoint.CompactReport, complete bool) string {
	sealed := "nothing to seal"
	switch n := r.Sealed; {
	case n.Events > 0:
		sealed = fmt.Sprintf("sealed %s of %s in %s: %s → %s", count(n.Events, "event"), count(r.Runs, "run"), count(n.Segments, "segment"), size(n.Before), size(n.After))
	case !complete:
		sealed = "nothing was sealed yet"
	}
	return sealed + "; " + diskText(s, r.Before, r.After)
}

// diskText says how large a store was on disk, and is.
func diskText(s *screen, before, after int64) string {
	switch less := before - after; {
	case less > 0:
		return fmt.Sprintf("%s → %s on disk (%s)", size(before), size(after), s.paint(green, size(less)+" given back"))
	case less < 0:
		return fmt.Sprintf("%s → %s on disk", size(before), size(after))
	}
	return size(after) + " on disk, as before"
}

// sayUnsealed says that events of some runs are not sealed, for who wonders why
// nothing was.
func (c *cli) sayUnsealed(ctx context.Context, store *checkpoint.EventStore, r checkpoint.CompactReport, idle time.Duration) error {
	if idle == 0 {
		return nil // those few take less as they are
	}
	skipped := map[string]bool{}
	for _, s := range r.Skipped {
		skipped[s.Run] = true
	}
	runs := 0
	for run, err := range store.Runs(ctx, checkpoint.RunsOptions{ByID: true}) {
		switch {
		case err != nil && run.ID == "":
			return err
		case err == nil && !skipped[run.ID] && run.Unsealed() > 0:
			runs++
		}
	}
	if runs > 0 {
		c.say("%s had an event in the last %s; `flowlog compact --idle 0s` takes all", count(runs, "run"), lasting(idle))
	}
	return nil
}
