package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// span is a time span as a flag: as time.ParseDuration reads it, and in days and weeks.
type span time.Duration

// longUnits are days and weeks in a span, with their numbers.
var longUnits = regexp.MustCompile(`(\d+(?:\.\d*)?)([dw])`)

func (s span) duration() time.Duration { return time.Duration(s) }

// String, Set and Type make span a flag, which is without a default if that is 0.
func (s *span) String() string {
	if *s == 0 {
		return ""
	}
	return lasting(s.duration())
}

func (s *span) Set(text string) error {
	hours := longUnits.ReplaceAllStringFunc(text, func(part string) string {
		n, _ := strconv.ParseFloat(part[:len(part)-1], 64) // it is a number
		if n *= 24; part[len(part)-1] == 'w' {
			n *= 7
		}
		return strconv.FormatFloat(n, 'f', -1, 64) + "h"
	})
	d, err := time.ParseDuration(hours)
	if err != nil {
		return err
	}
	*s = span(d)
	return nil
}

func (s *span) Type() string { return "duration" }

var errTwice = errors.New("it is given twice")

// once is a span that is given at most once: of two, one would be forgotten.
type once struct {
	*span
	given bool
}

func (o *once) Set(text string) error {
	if o.given {
		return errTwice
	}
	o.given = true
	return o.span.Set(text)
}

// lasting says a span without what is 0 in it, in days if it is of whole ones.
func lasting(d time.Duration) string {
	const day = 24 * time.Hour
	if d > 0 && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
