package log

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The limits of what an event may hold beside its state, in bytes.
const (
	// MaxID is the longest id: of a run, a node, a graph, a branch.
	MaxID = 1 << 10
	// MaxHeader is the largest header, as JSON.
	MaxHeader = 64 << 10
	// MaxSeq is the largest seq of a run.
	MaxSeq = 1<<32 - 1
)

// noteSuffix ends the id of a run's companion log. It holds a NUL byte, so no id
// that a user gives can end in it.
const noteSuffix = "\x00notes"

// displayID shortens an id for a message and hides the companion's suffix.
func displayID(id string) string {
	if run, ok := strings.CutSuffix(id, noteSuffix); ok {
		return run + " (notes)"
	}
	if len(id) > 64 {
		return id[:61] + "..."
	}
	return id
}

// checkID returns what is wrong with an id that must not be empty.
func checkID(what, id string) error {
	if id == "" {
		return fmt.Errorf("%w %s: it is empty; give it a name", ErrInvalid, what)
	}
	return checkOptionalID(what, id)
}

func checkOptionalID(what, id string) error {
	switch {
	case len(id) > MaxID:
		return fmt.Errorf("%w: %s %q is %d bytes long; at most %d are allowed", ErrTooLarge, what, displayID(id), len(id), MaxID)
	case !utf8.ValidString(id):
		return fmt.Errorf("%w %s %q: it is not valid UTF-8", ErrInvalid, what, displayID(id))
	}
	if i := strings.IndexByte(id, 0); i >= 0 {
		return fmt.Errorf("%w %s %q: it has a NUL byte at position %d", ErrInvalid, what, displayID(id), i)
	}
	return nil
}

// checkHeader returns what is wrong with the fields that a caller gives.
func checkHeader(h *Header) error {
	if err := checkID("node id", h.NodeID); err != nil {
		return err
	}
	for _, f := range []struct{ what, value string }{
		{"previous node id", h.PrevNodeID}, {"next node", h.NextNode},
		{"branch id", h.BranchID}, {"fork node id", h.ForkNodeID}, {"graph id", h.Metadata.GraphID},
	} {
		if err := checkOptionalID(f.what, f.value); err != nil {
			return err
		}
	}
	for k, v := range h.Metadata.Labels {
		if err := checkID("label name", k); err != nil {
			return err
		}
		if err := checkOptionalID("label value", v); err != nil {
			return err
		}
	}
	if h.Origin != nil {
		if err := checkOptionalID("run id of the origin", h.Origin.RunID); err != nil {
			return err
		}
	}
	if e := h.Envelope; e != nil && (!utf8.ValidString(e.Prefix) || !utf8.ValidString(e.Suffix)) {
		return fmt.Errorf("%w envelope: it is not valid UTF-8", ErrInvalid)
	}
	if y := h.CreatedAt.UTC().Year(); !h.CreatedAt.IsZero() && (y < 0 || y > 9999) {
		return fmt.Errorf("%w created_at: year %d can't be written as RFC 3339", ErrInvalid, y)
	}
	if h.Kind != JSON && h.Kind != Bytes {
		return fmt.Errorf("%w kind %q of the state: it is %q or %q", ErrInvalid, h.Kind, JSON, Bytes)
	}
	return nil
}
