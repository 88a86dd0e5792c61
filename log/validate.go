package log

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/flowlog/checkpoint/driver"
)

// The limits of what an event may hold beside its state, in bytes.
const (
	// MaxID is the longest id: of a run, a node, a graph, a branch.
	MaxID = driver.MaxRunID
	// MaxHeader is the largest header, as JSON.
	MaxHeader = 64 << 10
	// MaxSeq is the largest seq of a run.
	MaxSeq = driver.MaxSeq
	// MaxFailureText and MaxFailureStack are the longest text and stack of a failure,
	// as JSON: [CutFailure] cuts to these lengths. A header has room for both.
	MaxFailureText  = 8 << 10
	MaxFailureStack = 32 << 10
	// maxMerges is how many branches an event can join.
	maxMerges = 1 << 10
)

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
		return fmt.Errorf("%w: %s %q is %d bytes long; at most %d are allowed", ErrTooLarge, what, driver.Shorten(id), len(id), MaxID)
	case !utf8.ValidString(id):
		return fmt.Errorf("%w %s %q: it is not valid UTF-8", ErrInvalid, what, driver.Shorten(id))
	}
	if i := strings.IndexByte(id, 0); i >= 0 {
		return fmt.Errorf("%w %s %q: it has a NUL byte at position %d", ErrInvalid, what, driver.Shorten(id), i)
	}
	return nil
}

// checkHeader returns what is wrong with the fields that a caller gives.
func checkHeader(h *Header) error {
	switch h.Role {
	case Recoverable, Begin, End, Failure, Fork, Branch:
	default:
		return fmt.Errorf("%w role %q: it is %q, %q, %q, %q or %q, or empty for a checkpoint", ErrInvalid, h.Role, Begin, End, Failure, Fork, Branch)
	}
	return checkFields(h)
}

// checkFields is checkHeader that also allows unknown roles.
func checkFields(h *Header) error {
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
	for _, t := range []struct {
		what string
		year int
	}{{"created_at", h.CreatedAt.UTC().Year()}, {"started_at", h.StartedAt.UTC().Year()}} {
		if t.year < 0 || t.year > 9999 {
			return fmt.Errorf("%w %s: year %d can't be written as RFC 3339", ErrInvalid, t.what, t.year)
		}
	}
	if err := checkRole(h); err != nil {
		return err
	}
	if h.Kind != JSON && h.Kind != Bytes && (h.Kind != None || h.Role == Recoverable) {
		return fmt.Errorf("%w kind %q of the state: it is %q or %q, or %q for an event with a role", ErrInvalid, h.Kind, JSON, Bytes, None)
	}
	return nil
}

// checkRole checks a header's role and the fields that depend on it.
func checkRole(h *Header) error {
	if err := checkOptionalID("role", string(h.Role)); err != nil {
		return err
	}
	if strings.Contains(string(h.Role), " ") {
		return fmt.Errorf("%w role %q: it has a space", ErrInvalid, h.Role)
	}
	if len(h.Merges) > maxMerges {
		return fmt.Errorf("%w: the event merges %d branches; at most %d are allowed", ErrTooLarge, len(h.Merges), maxMerges)
	}
	f := h.Failure
	if f == nil {
		return nil
	}
	if h.Role != Failure {
		return fmt.Errorf("%w error of an event of role %q: only an event of role %q has one", ErrInvalid, h.Role, Failure)
	}
	for _, s := range []struct {
		what, text string
		most       int
	}{{"type", f.Type, MaxID}, {"text", f.Text, MaxFailureText}, {"stack", f.Stack, MaxFailureStack}} {
		if n := quotedLen(s.text); n > s.most {
			return fmt.Errorf("%w: the %s of the error takes %d bytes as JSON; at most %d are allowed, which CutFailure cuts it to", ErrTooLarge, s.what, n, s.most)
		}
	}
	return nil
}

// CutFailure returns f with a type, text and stack that fit a header, in valid UTF-8; what
// was cut ends in "…".
func CutFailure(f FailureInfo) FailureInfo {
	f.Type, f.Text, f.Stack = cut(f.Type, MaxID), cut(f.Text, MaxFailureText), cut(f.Stack, MaxFailureStack)
	return f
}

func cut(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if quotedLen(s) <= most {
		return s
	}
	n := 0
	for i, r := range s {
		if n += runeLen(r); n > most-len("…") {
			return s[:i] + "…"
		}
	}
	return s
}

// quotedLen is the length of a text as JSON, in bytes, without its quotes.
func quotedLen(s string) int {
	n := 0
	for _, r := range s {
		n += runeLen(r)
	}
	return n
}

func runeLen(r rune) int {
	switch {
	case r == '"', r == '\\', r == '\n', r == '\r', r == '\t', r == '\b', r == '\f':
		return 2
	case r < 0x20, r == '<', r == '>', r == '&', r == '\u2028', r == '\u2029': // as encoding/json writes them
		return 6
	}
	return utf8.RuneLen(r)
}
