# SPDX-License-Identifier: Apache-2.0
# Counts the TAP streams that a guest printed one after the other, and prints "LABEL: N passed, N failed, N skipped"
# last. Exits 1 on any failure. What was planned and not reported has failed, and so has a guest that never got to its
# end: a crash in the middle must not look like a shorter list of tests.
function close_suite()
{
	if (planned > seen) {
		missing(suite ": " (planned - seen) " tests planned and not reported", planned - seen)
	} else if (suite != "" && planned < 0)
		missing(suite ": no plan", 1)
	planned = -1
	seen = 0
}
function missing(why, n)
{
	print "not ok " why
	failed += n
}
BEGIN { planned = -1 }
{ sub(/\r$/, "") }
/^VM-SUITE / { close_suite(); suite = substr($0, 10); next }
/^VM-EXIT / { close_suite(); suite = ""; done = 1; if ($2 != "0") missing("guest ended with: " $0, 1); next }
suite == "" { next }
# A program with several groups of tests prints several plans.
/^1\.\.[0-9]+/ { planned = (planned < 0 ? 0 : planned) + substr($1, 4); next }
/^(not )?ok .*# [Ss][Kk][Ii][Pp]/ { seen++; skipped++; next }
/^ok / { seen++; passed++; next }
/^not ok / { seen++; failed++; print suite ": " $0; next }
END {
	if (!done) {
		close_suite()
		missing("the guest did not reach its end", 1)
	}
	if (passed + failed + skipped == 0)
		missing("no test was run", 1)
	printf "%s: %d passed, %d failed, %d skipped\n", label, passed, failed, skipped
	exit failed > 0
}
