package log

// What a test needs to forge records, heads and notes.
var (
	RecordSum = recordSum
	HeadSum   = headSum
	NoteHash  = noteHash
	NoteKey   = noteKey
)
