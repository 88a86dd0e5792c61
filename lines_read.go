package checkpoint

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// scratch returns an empty store in a temporary file, and a function to remove it.
func (s *EventStore) scratch() (*EventStore, func(), error) {
	dir, err := os.MkdirTemp("", "flowlog-import-")
	if err != nil {
		return nil, nil, fmt.Errorf("make a temporary folder, where TMPDIR says: %w", err)
	}
	store, err := NewSQLiteStore(filepath.Join(dir, "runs.db"), WithDurability(DurabilityOff), WithoutCompaction(), WithMaxState(s.log.MaxState()))
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return store.EventStore, func() {
		store.Close()
		os.RemoveAll(dir) // else it is the system's to do
	}, nil
}

// free returns ErrConflict if there is a run of that id.
func (s *EventStore) free(ctx context.Context, id string) error {
	run, err := s.log.Run(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return &Error{Run: id, Reason: fmt.Sprintf("the run exists, with %d events; import into another store, skip the runs that exist, or delete it first (EventStore.Delete)", run.Events()), Err: ErrConflict}
}

// lineReader saves lines to a store.
type lineReader struct {
	store    *EventStore
	runs     map[string]*lineRun
	order    []string // the runs, by their first line
	most     int64    // the length of a line, in bytes
	progress func(ImportProgress)
}

// lineRun is a run as far as its lines have been read.
type lineRun struct {
	first, last uint64            // the seqs of its first and last line, as given, or else counted
	seqs        map[uint64]uint64 // the event that each became; of a pruned one, what that continued from
}

func (l *lineReader) all(ctx context.Context, r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for n := uint64(1); ; n++ {
		text, err := readLine(in, l.most)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if len(bytes.TrimSpace(text)) > 0 {
			if err := l.line(ctx, text); err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
		}
		if err != nil {
			return l.whole()
		}
		if l.progress != nil {
			l.progress(ImportProgress{Done: n})
		}
	}
}

// whole returns an error if there is nothing to be imported of a run.
func (l *lineReader) whole() error {
	if len(l.order) == 0 {
		return fmt.Errorf("%w file: it has no lines", ErrInvalid)
	}
	for _, id := range l.order {
		_, err := l.store.log.Run(context.Background(), id)
		if errors.Is(err, ErrNotFound) {
			err = fmt.Errorf("%w lines of run %q: all of its events are pruned", ErrInvalid, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readLine returns the next line, with io.EOF if it is the last.
func readLine(in *bufio.Reader, most int64) ([]byte, error) {
	var text []byte
	for {
		part, err := in.ReadSlice('\n')
		if int64(len(text)+len(part)) > most {
			return nil, fmt.Errorf("%w: it is longer than %d bytes, which no line with a state within the store's limit is", ErrTooLarge, most)
		}
		text = append(text, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, err
		}
	}
}

// line saves one line.
func (l *lineReader) line(ctx context.Context, text []byte) error {
	var at line
	var c Checkpoint
	if err := json.Unmarshal(text, &at); err != nil {
		return notALine(text, err)
	}
	if !utf8.Valid(text) && !utf8.Valid(bytes.Replace(text, at.State, nil, 1)) { // else its ids would become others
		return fmt.Errorf("%w line of run %q: outside of the state it is not UTF-8", ErrInvalid, at.RunID)
	}
	if err := c.fill(&at.wire); err != nil {
		return fmt.Errorf("%w line: %w", ErrInvalid, err)
	}
	if a := at.Around; a != nil {
		if strings.Trim(a[0]+a[1], space) != "" || c.Kind == KindBytes || c.Kind == KindNone {
			return fmt.Errorf("%w around %q: it is the white space around a state that is JSON", ErrInvalid, *a)
		}
		c.State = slices.Concat([]byte(a[0]), c.State, []byte(a[1]))
	}
	if c.RunID == "" {
		return fmt.Errorf("%w run_id: it is missing; each line is the JSON of a checkpoint, with run_id, node_id and state at least", ErrInvalid)
	}
	run, ok := l.runs[c.RunID]
	if !ok {
		run = &lineRun{seqs: map[uint64]uint64{}}
		l.runs[c.RunID] = run
		l.order = append(l.order, c.RunID)
	}
	seq, parent, err := run.place(&c, at.Parent != nil)
	if err != nil {
		return err
	}
	if at.Pruned {
		run.last, run.seqs[seq] = seq, parent
		return nil
	}
	var opts []AppendOption
	if c.Seq = parent; parent == 0 {
		opts = append(opts, AsRoot())
	}
	c.Hash = Digest{} // of the run that it was exported from
	saved, err := l.store.Append(ctx, &c, opts...)
	if err != nil {
		return err
	}
	run.last, run.seqs[seq] = seq, saved.Seq
	return nil
}

// notALine says what is wrong with a line.
func notALine(text []byte, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%w JSON at byte %d: %w; it begins with %.40q", ErrInvalid, syntax.Offset, err, text)
	}
	return fmt.Errorf("%w checkpoint: %w", ErrInvalid, err)
}

// place returns the seq of a line, and which event it continues from, 0 for none. If the
// line does not name it, that is the one of the line before; if it names one before the
// first line, that was truncated.
func (r *lineRun) place(c *Checkpoint, named bool) (seq, parent uint64, err error) {
	seq = c.Seq
	if seq == 0 {
		seq = r.last + 1
	}
	if seq <= r.last {
		return 0, 0, fmt.Errorf("%w seq %d of run %q: it comes behind seq %d, and they must go up", ErrInvalid, seq, c.RunID, r.last)
	}
	if r.last == 0 {
		r.first = seq
	}
	switch {
	case c.Parent >= r.first:
		var ok bool
		if parent, ok = r.seqs[c.Parent]; !ok {
			return 0, 0, fmt.Errorf("%w parent %d of run %q seq %d: no line before has that seq", ErrInvalid, c.Parent, c.RunID, seq)
		}
	case !named && r.last > 0:
		parent = r.seqs[r.last]
	}
	return seq, parent, nil
}
