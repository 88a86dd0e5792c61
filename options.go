package checkpoint

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/compaction"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/sqlite"
)

// Option tunes a store when it is opened.
type Option func(*config)

type config struct {
	log       log.Options
	sqlite    sqlite.Options
	bolt      bolt.Options
	listLimit int64
	compact   compaction.BackgroundOptions
	dormant   bool   // nothing is compacted in the background
	onlyFor   string // an option that only SQLite knows, if one was given
}

// defaultListLimit is what List returns at most, in bytes of states.
const defaultListLimit = 1 << 30

func newConfig(opts []Option) config {
	c := config{listLimit: defaultListLimit}
	for _, o := range opts {
		o(&c)
	}
	return c
}

// WithMaxState sets the largest state accepted, in bytes. The default is 100 MiB.
func WithMaxState(bytes int64) Option { return func(c *config) { c.log.MaxState = bytes } }

// WithPlainStates stores every state as it is, and seals none: readable with the
// database's own tools. History then costs what its states take together.
func WithPlainStates() Option { return func(c *config) { c.log.AllPlain = true } }

// WithPlainUpTo sets the size in bytes up to which a state is stored as it is.
// The default is 4 KiB.
func WithPlainUpTo(bytes int) Option {
	return func(c *config) {
		c.log.PlainMax = bytes
		if bytes == 0 {
			c.log.PlainMax = -1
		}
	}
}

// WithCacheBytes bounds the newest states of live runs that are kept in memory,
// in bytes. The default is 64 MiB. A run whose state is not there reads it back
// at its next Save.
func WithCacheBytes(bytes int64) Option { return func(c *config) { c.log.CacheBytes = bytes } }

// WithListLimit sets how many bytes of states List returns at most. The default
// is 1 GiB.
func WithListLimit(bytes int64) Option { return func(c *config) { c.listLimit = bytes } }

// WithoutCompaction keeps the store from sealing events in the background: only
// [EventStore.Compact] does then.
func WithoutCompaction() Option { return func(c *config) { c.dormant = true } }

// WithIdle sets how long a run must have had no event until it is sealed whole in
// the background. The default is 10 minutes.
func WithIdle(d time.Duration) Option { return func(c *config) { c.compact.Idle = d } }

// WithRetention drops, in the background, what is due by these policies: a pass at once
// and another each time that so long has gone by since the last. Without it nothing is
// dropped by itself. Of several processes that share a file and ask for it, one works at
// a time; each follows its own policies, so they should be the same.
//
// A pass does what [EventStore.Plan] and [EventStore.RunPlan] do, little by little for
// the sake of others, and leaves the space for use again: [EventStore.Compact] gives it
// back. It is logged, at level Info if anything was to be done, with how many runs it
// skipped and how many are damaged and left alone, of which each is logged as well, at
// level Warn when it is first met; WithRetentionReport tells more.
//
// Opening fails with ErrInvalid for a policy that makes no sense, and together with
// WithoutCompaction or WithReadOnly.
func WithRetention(every time.Duration, policies ...Policy) Option {
	return func(c *config) { c.compact.Retention.Every, c.compact.Retention.Policies = every, policies }
}

// RetentionPass is what was done once for WithRetention: the plan, what running it did,
// and what went wrong, which will be tried again.
type RetentionPass = compaction.Pass

// WithRetentionReport sets a function that is called after each pass of WithRetention, in its
// own goroutine; the next pass, and sealing, wait for it to return. It may use the store,
// compact it, run a plan, and close it.
func WithRetentionReport(report func(RetentionPass)) Option {
	return func(c *config) { c.compact.Retention.Report = report }
}

// WithClock sets the clock for the times of new events and notes, and for the age of runs.
// Leases and timeouts use the real clock. The default is [time.Now]. It is for tests and
// simulations, and must be safe for concurrent use.
func WithClock(now func() time.Time) Option { return func(c *config) { c.log.Clock = now } }

// WithLogger sets the logger for what goes wrong in the background, for what retention did,
// and for a store that may have lost something when it is opened ([EventStore.Warning]).
// The default is slog.Default(). Nothing is lost by what goes wrong in the background.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.compact.Logger = l } }

// logger returns the logger to use.
func (c *config) logger() *slog.Logger {
	if c.compact.Logger != nil {
		return c.compact.Logger
	}
	return slog.Default()
}

// WithReadOnly opens a store for looking only, also while another process writes
// it. Nothing is made; every write fails with ErrReadOnly.
func WithReadOnly() Option {
	return func(c *config) { c.log.ReadOnly, c.sqlite.ReadOnly, c.bolt.ReadOnly = true, true, true }
}

// Durability is what an acknowledged write to a file survives.
type Durability = driver.Durability

// The durabilities. A bolt store knows the first and the last.
const (
	// DurabilityFull survives the loss of power. It is the default.
	DurabilityFull = driver.Full
	// DurabilityNormal survives the end of the process; the loss of power may
	// take the newest events.
	DurabilityNormal = driver.Normal
	// DurabilityOff survives the end of the process; the loss of power may
	// damage the file.
	DurabilityOff = driver.Off
)

// WithDurability sets what an acknowledged write to a file survives.
func WithDurability(d Durability) Option {
	return func(c *config) {
		c.sqlite.Durability, c.bolt.Durability, c.onlyFor = d, d, "WithDurability"
	}
}

// WithBusyTimeout sets how long to wait for another process: a call on a SQLite
// store for its transaction, by default 30 seconds; the opening of a bolt store for
// the file, by default 1 second.
func WithBusyTimeout(d time.Duration) Option {
	return func(c *config) { c.sqlite.BusyTimeout, c.bolt.OpenTimeout, c.onlyFor = d, d, "WithBusyTimeout" }
}

// general returns an error if an option was given that has no meaning for the
// store at hand.
func (c *config) general() error {
	if c.onlyFor != "" {
		return fmt.Errorf("%w option %s: it applies only to file stores", ErrInvalid, c.onlyFor)
	}
	return nil
}

// background returns an error if what is to be done in the background makes no sense.
func (c *config) background() error {
	r := c.compact.Retention
	if r.Every != 0 && (c.dormant || c.log.ReadOnly) {
		return fmt.Errorf("%w option WithRetention: it cannot be combined with WithoutCompaction or WithReadOnly", ErrInvalid)
	}
	return r.Check()
}
