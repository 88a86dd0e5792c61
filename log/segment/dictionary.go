package segment

// dictionary is what a table is compressed against: the words of package log's
// headers, what is met most at the end. It is a part of the format, and saves
// each segment some 70 to 90 bytes. Other headers are packed as well, but for it.
const dictionary = `,"metadata":{"graph_id":"","version":1,"labels":{"error":"` +
	`","attempt":2,"branch_id":"","fork_node_id":"","origin":{"run_id":"","seq":1,"hash":""}` +
	`,"envelope":{"prefix":"{\"version\":1,\"run_id\":\"run-\",\"node_id\":\"\",\"sequence\":1,\"timestamp\":\"2026-01-01T00:00:00.000000000Z\",\"state\":",` +
	`"suffix":",\"next_node\":\"\",\"attempt\":1,\"prev_node_id\":\"\"}"},"kind":"bytes"` +
	`{"run_id":"run-1","seq":1,"node_id":"start","next_node":"process","created_at":"2025-01-01T10:00:00.` +
	`","metadata":{"graph_id":"workflow","version":1},"kind":"json","size":10,"sha256":"","life":"` +
	`{"run_id":"run-0","seq":2,"parent":1,"node_id":"process","prev_node_id":"start","next_node":"__end__","created_at":"2026-01-` +
	`Z","kind":"json","size":1000,"sha256":""}`

// dictionaryID is what frames name it by.
const dictionaryID = 1
