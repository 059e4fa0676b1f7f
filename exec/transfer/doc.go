// Package transfer sends closures to hosts: to each only what it lacks, compressed where the link is slow.
//
//	Local ─ Share ─▶ Source ─┐
//	          Limiter ─ Link ┴ Copy: find the closure ∥ open a session
//	                             ▼
//	                           compare: ask the host what it lacks, and lock all of it
//	                             ▼
//	                           send ── the throughput is low ──▶ compare again, send the rest compressed
//
// A [Source] has the paths: [Local] is this machine's store. [Shared] stands in front of a Source for many hosts: an
// archive that several of them lack is read, hashed and compressed once. A [Link] is the way to one host. A [Limiter] is a
// bandwidth that links share.
//
//	src := transfer.Share(transfer.NewLocal(store.Dir, open), 64<<20)
//	link := transfer.Link{Serve: machine.Serve} // for each host
//	session, stats, err := link.Copy(ctx, src, []store.Path{system}, transfer.Options{})
//	defer session.Close() // until then nothing of the closure is collected as garbage
package transfer
