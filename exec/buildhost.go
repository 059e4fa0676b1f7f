package exec

import (
	"context"
	"fmt"
	"io"

	"muster/compile/store"
	"muster/exec/nixserve"
	"muster/exec/transfer"
	"muster/schema"
)

// buildOnHost has another host of the inventory build the system of this one. The copy
// stage then sends it from there through this machine, which keeps nothing of it.
func buildOnHost(ctx context.Context, j *job) error {
	builder := j.step.BuildHost
	if builder == nil {
		return fmt.Errorf("build on host %s: the plan does not say how it is reached", j.step.Host.BuildOn.Host())
	}
	conn := &connection{host: builder, dial: j.run.opts.Connect, answer: j.conn.answer}
	if err := conn.open(ctx); err != nil {
		return fmt.Errorf("build on host %s: connect: %w", builder.Name, err)
	}
	j.conn.onClose(conn.close)
	// What is sent and built there is work for this host, and is reported as that.
	there := &job{run: j.run, conn: conn, outputs: j.outputs, step: Step{
		System: j.step.System,
		Host:   &schema.Host{Name: j.step.Host.Name, Substitute: builder.Substitute, LimitRate: builder.LimitRate},
	}}
	if err := realise(ctx, there); err != nil {
		return fmt.Errorf("build on host %s: %w", builder.Name, err)
	}
	// The questions outlive this stage.
	lasting, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	source := transfer.NewRemote(
		func(context.Context) (*nixserve.Client, error) {
			stream, err := conn.machine().Serve(lasting)
			if err != nil {
				return nil, err
			}
			return nixserve.New(lasting, stream)
		},
		func(ctx context.Context, p store.Path, w io.Writer) error {
			return conn.machine().Run(ctx, []string{"nix-store", "--dump", string(p)}, w, nil)
		},
	)
	j.conn.onClose(func() { source.Close(); stop(nil) })
	j.built = source
	j.out.System, j.out.Status = j.step.System.Out, Built
	return nil
}

// source is where the host's system is copied from: this machine, or the host that built
// it.
func (j *job) source() transfer.Source {
	if j.built != nil {
		return j.built
	}
	return j.run.opts.Source
}
