package segment

// dictionary is what a table is compressed against: the words of package log's
// headers, rare ones first, those of nearly every segment at the end. It is a part of
// the format, and saves each segment some 60 bytes. Other headers are packed as well, but
// for that.
const dictionary = `"labels":{"origin":{"run_id":"","seq":1,"hash":"","merges":[],"reused":1,"branch":"","fork":"",` +
	`"input":"","error":{"type":"*errors.errorString","text":"","stack":"","final":true,"not_before":"2026-"},"kind":"bytes","size":0,` +
	`"role":"branch","role":"fork","role":"end","role":"begin","kind":"none","parent":1,"role":"failure","node":"` +
	`,"attempt":1,"at":"2026-01-01T00:00:00.Z","graph":"","version":1,` +
	`"envelope":{"prefix":"","suffix":""},"size":10,"visit":1,"writer":"` +
	`{"run_id":"run-1","life":"","node":"start","next":"process","attempt":1,"at":"2026-01-01T10:00:00.000000000Z",` +
	`"took":1,"graph":"workflow","version":1,"envelope":0,"size":1000,"visit":1,"writer":"","epoch":1}` +
	`{"node":"process","prev":"start","next":"__end__","at":"2026-01-01T10:00:00.000000000Z","envelope":0,"size":1000,"visit":1}`

// dictionaryID is what frames name it by.
const dictionaryID = 1
