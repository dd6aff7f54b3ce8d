module dnsdebug.test/lookup

go 1.21
