package segment

// dictionary is what a table is compressed against: the words of package log's
// headers, rare ones first, those of nearly every segment at the end. It is a part of
// the format, and saves each segment some 80 bytes, and 150 where headers have an
// envelope. Other headers are packed as well, but for it.
const dictionary = `"labels":{"origin":{"run_id":"","seq":1,"hash":"","merges":["reused":1,"fork_node_id":"","branch_id":""` +
	`"input":"","error":{"type":"*errors.errorString","text":"","stack":"","final":true,"not_before":"2026-"},"kind":"bytes","size":0,` +
	`"role":"branch"role":"fork"role":"end","role":"begin","kind":"none","parent":1,"role":"failure","node_id":"` +
	`,"attempt":1,"created_at":"2026-01-01T00:00:00.Z","metadata":{"graph_id":"","version":1},` +
	`"envelope":{"prefix":"{\"version\":1,\"run_id\":\"run-\",\"node_id\":\"\",\"sequence\":1,\"timestamp\":\"2026-01-01T00:00:00.000000000Z\",\"state\":",` +
	`"suffix":",\"next_node\":\"\",\"attempt\":1,\"prev_node_id\":\"\"}"},"size":10,"visit":1,"writer":"` +
	`{"run_id":"run-1","life":"","node_id":"start","next_node":"process","created_at":"2026-01-01T10:00:00.000000000Z","started_at":"2026-01-01T10:00:00.` +
	`{"node_id":"process","prev_node_id":"start","next_node":"__end__","created_at":"2026-01-","started_at":"2026-01-` +
	`Z","metadata":{"graph_id":"workflow","version":1},"size":1000,"visit":1,"writer":"","epoch":1}`

// dictionaryID is what frames name it by.
const dictionaryID = 1
