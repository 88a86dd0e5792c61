package checkpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/flowlog/checkpoint/internal/jsonscan"
	"github.com/flowlog/checkpoint/log"
)

// line is a checkpoint as a line of JSON.
type line struct {
	wire
	// Pruned says that the state was dropped: there is null in its place. Redacted says
	// that it was redacted.
	Pruned   bool `json:"pruned,omitempty"`
	Redacted bool `json:"redacted,omitempty"`
	// Damaged says that the state can't be read. Such a line is Pruned as well.
	Damaged bool `json:"damaged,omitempty"`
	// Around is the white space before and after the state, which would be lost in the line;
	// nil for none.
	Around *[2]string `json:"around,omitempty"`
}

// space is what JSON takes for white space.
const space = " \t\r\n"

// trimmed returns JSON without the white space around it, and that space, nil if there is none.
func trimmed(state []byte) ([]byte, *[2]string) {
	inner := bytes.Trim(state, space)
	if len(inner) == len(state) {
		return state, nil
	}
	at := len(state) - len(bytes.TrimLeft(state, space))
	return inner, &[2]string{string(state[:at]), string(state[at+len(inner):])}
}

// ExportLines writes a run, as it stands now, to w as JSON Lines: the JSON of a
// [Checkpoint] for each event, oldest first. A state is as it was saved, byte for byte,
// but for line breaks between its values, which become spaces, and for white space around it,
// which stands in "around"; one that is not JSON, whatever its Kind says, is base64. A
// beginning has "parent":0. An event whose state was pruned has "pruned":true and null for its
// state, and "redacted":true if it was redacted. A state that can't be read has "pruned":true
// and "damaged":true; all others follow.
//
// Hashes and notes are left out, so [EventStore.ImportLines] makes a new run of it:
// [EventStore.Export] keeps all.
//
// mask, if not nil, gets each state, and returns what is to be written instead of it,
// which must be JSON: so that secrets stay where they are. A state that is not JSON is
// given to it as well, and written as ever if it comes back as it was.
//
// Errors: ErrNotFound, also if the run is deleted on the way; a [LostStates], which is also
// an ErrCorrupt, once the last line is written, if states could not be read; another
// ErrCorrupt if a header could not be read, which ends the lines; those of mask and w. Memory
// is that of [EventStore.History], and a few times the state at hand.
func (s *EventStore) ExportLines(ctx context.Context, runID string, w io.Writer, mask func(state []byte) ([]byte, error)) error {
	lost := LostStates{}
	for last := uint64(0); ; {
		err := s.exportLines(ctx, runID, HistoryOptions{From: last + 1}, w, mask, &last)
		switch at, ok := errors.AsType[*Error](err); {
		case err == nil && lost.Events > 0:
			return &lost
		case err == nil:
			return nil
		case !ok || !errors.Is(err, ErrCorrupt):
			return fmt.Errorf("export: %w", err)
		case last == 0: // of a truncated run, another than 1 is the first
			last = max(at.Seq, 1) - 1
		}
		// The next one's state can't be read.
		before := last
		e := s.exportLines(ctx, runID, HistoryOptions{From: last + 1, To: last + 1, HeadersOnly: true}, w, nil, &last)
		if e != nil || last == before {
			return fmt.Errorf("export: %w", err) // nor its header
		}
		if lost.Events++; lost.Events == 1 {
			lost.First = err
		}
	}
}

// exportLines writes some events, and notes in last which it wrote. With HeadersOnly their
// states are those that can't be read.
func (s *EventStore) exportLines(ctx context.Context, runID string, which HistoryOptions, w io.Writer, mask func([]byte) ([]byte, error), last *uint64) error {
	for ev, err := range s.History(ctx, runID, which) {
		if err != nil {
			return err
		}
		b, err := ev.line(mask, which.HeadersOnly)
		if err == nil {
			_, err = w.Write(b)
		}
		if err != nil {
			return fmt.Errorf("run %q seq %d: %w", runID, ev.Seq, err)
		}
		*last = ev.Seq
	}
	return nil
}

// LostStates is the error of ExportLines for states that could not be read.
type LostStates struct {
	Events uint64 // how many have no state in what was written
	First  error  // what is wrong with the first of them
}

func (e *LostStates) Error() string {
	return fmt.Sprintf("%d of the states can't be read and were left out; the first: %v", e.Events, e.First)
}

// Unwrap returns First.
func (e *LostStates) Unwrap() error { return e.First }

// line returns the event as a line.
func (e *Event) line(mask func([]byte) ([]byte, error), damaged bool) ([]byte, error) {
	c := e.Checkpoint
	gone := e.Pruned || damaged
	if !gone && c.Kind == KindJSON && !jsonscan.ValidState(c.State) { // it may have been saved with TrustState
		c.Kind = KindBytes
	}
	w, err := c.wire()
	if err != nil {
		return nil, err
	}
	w.Hash = Digest{} // an import makes new ones
	state, around := []byte(e.State), (*[2]string)(nil)
	if mask != nil && !gone && c.Kind != KindNone {
		if state, err = mask(state); err != nil {
			return nil, err
		}
	}
	switch {
	case gone:
		state, w.Encoding = []byte("null"), ""
	case c.Kind != KindJSON && bytes.Equal(state, e.State):
		state = w.State // in base64, or null
	default:
		state, around = trimmed(state)
		state, w.Encoding = oneLine(state), ""
	}
	if w.Parent == nil {
		w.Parent = new(uint64)
	}
	// The state goes in as it is: encoding/json would compact it.
	const place = `"state":null`
	w.State = json.RawMessage("null")
	text, err := json.Marshal(line{w, gone, e.Pruned && e.PrunedBy.Redacted, damaged, around})
	if err != nil {
		return nil, err
	}
	at := bytes.Index(text, []byte(place)) + len(place) - len("null") // in a string its quotes would be escaped
	b := make([]byte, 0, len(text)+len(state)+1)
	b = append(append(b, text[:at]...), state...)
	return append(append(b, text[at+len("null"):]...), '\n'), nil
}

// oneLine returns JSON without line breaks, which stand between values only.
func oneLine(state []byte) []byte {
	if bytes.IndexByte(state, '\n') < 0 && bytes.IndexByte(state, '\r') < 0 {
		return state
	}
	state = bytes.ReplaceAll(state, []byte("\n"), []byte(" "))
	return bytes.ReplaceAll(state, []byte("\r"), []byte(" "))
}

// ImportLines makes runs of JSON Lines: of checkpoints such as ExportLines writes, or
// others, of one run or of several. The events of a run come in the order of its lines
// and get new hashes. A line's seq, if it has one, is how later lines name it as their
// parent. A line without a parent continues from the run's line before; one with
// "parent":0 is a beginning, as the first always is, and as is one whose parent comes
// before the first line, as in a run that was truncated. A line with "pruned":true is no
// event, and what continues from it continues from its parent.
//
// All lines are read and checked before any run is there: they are saved to a file in
// the system's temporary folder first ([os.TempDir]), where they take about what they
// take in the end, and which keeps them if the process is killed.
// Then each run comes to be as a whole, as with [EventStore.Import].
//
// Errors: ErrInvalid, ErrTooLarge and ErrNotFound, with the number of the line and what
// is wrong in it; ErrConflict if one of the runs exists; else as Import. A line can be
// a third longer than the largest state; longer ones are not read.
func (s *EventStore) ImportLines(ctx context.Context, r io.Reader, opts ImportOptions) (Imported, error) {
	var done Imported
	scratch, remove, err := s.scratch()
	if err != nil {
		return done, fmt.Errorf("import: %w", err)
	}
	defer remove()
	lines := lineReader{store: scratch, runs: map[string]*lineRun{}, most: s.log.MaxState() + s.log.MaxState()/3 + 4*log.MaxHeader, progress: opts.Progress}
	if err := lines.all(ctx, r); err != nil {
		return done, fmt.Errorf("import: %w", err)
	}
	if !opts.SkipExisting {
		for _, id := range lines.order {
			if err := s.free(ctx, id); err != nil {
				return done, fmt.Errorf("import: %w", err)
			}
		}
	}
	for _, id := range lines.order {
		m, parts, err := scratch.log.Export(ctx, id)
		if err == nil {
			err = s.take(ctx, m, parts, opts, &done)
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
