package main

import (
	"fmt"
	"time"

	"github.com/flowlog/checkpoint"
)

// timeFormat is how times are written; the zero value is auto.
type timeFormat string

const (
	timeAuto     timeFormat = "auto"
	timeRelative timeFormat = "relative"
	timeISO      timeFormat = "iso"
)

// String, Set and Type make timeFormat a flag.
func (f *timeFormat) String() string {
	if *f == "" {
		return string(timeAuto)
	}
	return string(*f)
}

func (f *timeFormat) Set(s string) error {
	switch timeFormat(s) {
	case timeAuto, timeRelative, timeISO:
		*f = timeFormat(s)
		return nil
	}
	return fmt.Errorf("it is auto, relative or iso")
}

func (f *timeFormat) Type() string { return "format" }

// relative reports whether times are told as how long ago they were.
func (c *cli) relative() bool {
	return c.times == timeRelative || c.times != timeISO && c.out.tty
}

// when says a time: how long ago on a terminal, exactly elsewhere, unless --time says
// otherwise.
func (c *cli) when(t, now time.Time) string {
	if c.relative() {
		return ago(t, now)
	}
	return t.UTC().Format(time.RFC3339)
}

// isoTime is how times of events are written where a program may read them.
const isoTime = "2006-01-02T15:04:05.000Z07:00"

// clockOf returns how the times of a run's events are written: on a terminal as on a
// clock, unless --time says otherwise.
func (c *cli) clockOf(run checkpoint.Run) func(time.Time) string {
	now := time.Now()
	switch {
	case c.times == timeRelative:
		return func(t time.Time) string { return ago(t, now) }
	case c.times == timeISO || !c.out.tty:
		return func(t time.Time) string { return t.UTC().Format(isoTime) }
	}
	layout := clock(run.CreatedAt, run.UpdatedAt)
	return func(t time.Time) string { return t.Local().Format(layout) }
}

// clock returns how the times of a history are written on a terminal: without the
// date if all are of one day.
func clock(from, to time.Time) string {
	y1, m1, d1 := from.Local().Date()
	y2, m2, d2 := to.Local().Date()
	if y1 == y2 && m1 == m2 && d1 == d2 {
		return "15:04:05.0"
	}
	return "2006-01-02 15:04:05"
}

// ago says how long ago a time was.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case now.Year()-t.Year() > 100: // further back than a Duration reaches
		return t.UTC().Format(time.DateOnly)
	case d < 0:
		return "in future"
	case d < time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", d/time.Hour)
	}
	return fmt.Sprintf("%dd ago", d/(24*time.Hour))
}

// took says how long something took.
func took(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + took(-d) // a clock stepped back
	case d < time.Millisecond:
		return "0ms"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Truncate(100*time.Millisecond).Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%02dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}
