package log

import "context"

// What a test needs to forge records, heads and notes.
var (
	RecordSum = recordSum
	HeadSum   = headSum
	NoteHash  = noteHash
	NoteKey   = noteKey
)

// AppendOfLater appends an event of a role that is not known yet, as a later flowlog may.
func (l *Log) AppendOfLater(ctx context.Context, a Append, role Role) (Event, error) {
	p := &pending{Append: a, ctx: ctx, done: make(chan struct{})}
	p.Header.Role, p.Header.Size, p.Header.Writer = role, int64(len(a.State)), l.word
	if err := l.digest(ctx, p); err != nil {
		return Event{}, err
	}
	l.enqueue(p)
	l.await(ctx, p)
	if p.err != nil {
		return Event{}, p.err
	}
	return Event{Header: p.Header, Hash: p.made.event.Hash}, nil
}
