package segment

// Dictionary is for a test that decompresses tables by itself.
const Dictionary = dictionary
