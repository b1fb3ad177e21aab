// Package bench measures the outbox and the record on PostgreSQL beside what others use for
// the same work, in one run: River, watermill-sql, and a bare business row. It is a module of
// its own so that these never become dependencies of the program.
//
//	KAKEHASHI_TEST_POSTGRES=postgres://… go test -C .ci/bench -run '^$' -bench . -benchtime 3x
package bench
