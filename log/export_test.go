package log

// RecordSum is what a test needs to forge records.
var RecordSum = recordSum
