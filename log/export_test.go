package log

// RecordSum and HeadSum are what a test needs to forge records and heads.
var (
	RecordSum = recordSum
	HeadSum   = headSum
)
