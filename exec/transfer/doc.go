// Package transfer sends closures to hosts: only what each lacks, compressed where the link is slow.
package transfer
