// Command terraform-provider-lab is a provider of OpenTofu and Terraform for tests: its machines are those that a test hands out
// over HTTP on a Unix socket. Like a cloud, it refuses a second machine of a name.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	providerschema "github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func main() {
	err := providerserver.Serve(context.Background(), func() provider.Provider { return new(lab) }, providerserver.ServeOpts{Address: "muster.test/muster/lab"})
	if err != nil {
		log.Fatal(err)
	}
}

type lab struct{}

func (*lab) Metadata(_ context.Context, _ provider.MetadataRequest, r *provider.MetadataResponse) {
	r.TypeName = "lab"
}

func (*lab) Schema(_ context.Context, _ provider.SchemaRequest, r *provider.SchemaResponse) {
	r.Schema = providerschema.Schema{Attributes: map[string]providerschema.Attribute{
		"socket": providerschema.StringAttribute{Required: true},
	}}
}

func (*lab) Configure(ctx context.Context, q provider.ConfigureRequest, r *provider.ConfigureResponse) {
	var socket types.String
	r.Diagnostics.Append(q.Config.GetAttribute(ctx, path.Root("socket"), &socket)...)
	r.ResourceData = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket.ValueString())
	}}}
}

func (*lab) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return new(machine) }}
}

func (*lab) DataSources(context.Context) []func() datasource.DataSource { return nil }

type machine struct{ client *http.Client }

type attributes struct {
	ID       types.String `tfsdk:"id"`
	Name     types.String `tfsdk:"name"`
	Size     types.String `tfsdk:"size"`
	UserData types.String `tfsdk:"user_data"`
	Address  types.String `tfsdk:"address"`
	HostKey  types.String `tfsdk:"host_key"`
}

func (*machine) Metadata(_ context.Context, _ resource.MetadataRequest, r *resource.MetadataResponse) {
	r.TypeName = "lab_machine"
}

func (*machine) Schema(_ context.Context, _ resource.SchemaRequest, r *resource.SchemaResponse) {
	known := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	r.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id":        schema.StringAttribute{Computed: true, PlanModifiers: known},
		"name":      schema.StringAttribute{Required: true, PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()}},
		"size":      schema.StringAttribute{Optional: true},
		"user_data": schema.StringAttribute{Optional: true, PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()}},
		"address":   schema.StringAttribute{Computed: true, PlanModifiers: known},
		"host_key":  schema.StringAttribute{Computed: true, PlanModifiers: known},
	}}
}

func (m *machine) Configure(_ context.Context, q resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	m.client, _ = q.ProviderData.(*http.Client)
}

// made is what the test says of a machine.
type made struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	HostKey string `json:"host_key"`
}

// do asks the test. A machine that is not there is no error.
func (m *machine) do(ctx context.Context, method, path string, body any) (answer made, there bool, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return answer, false, err
	}
	q, err := http.NewRequestWithContext(ctx, method, "http://lab"+path, bytes.NewReader(text))
	if err != nil {
		return answer, false, err
	}
	r, err := m.client.Do(q)
	if err != nil {
		return answer, false, err
	}
	defer r.Body.Close()
	switch {
	case r.StatusCode == http.StatusNotFound:
		return answer, false, nil
	case r.StatusCode != http.StatusOK:
		why := make([]byte, 1000)
		n, _ := io.ReadFull(r.Body, why)
		return answer, false, fmt.Errorf("%s %s: %s: %s", method, path, r.Status, why[:n])
	default:
		return answer, true, json.NewDecoder(r.Body).Decode(&answer)
	}
}

func (m *machine) Create(ctx context.Context, q resource.CreateRequest, r *resource.CreateResponse) {
	var a attributes
	r.Diagnostics.Append(q.Plan.Get(ctx, &a)...)
	got, _, err := m.do(ctx, http.MethodPost, "/machines", map[string]string{"name": a.Name.ValueString(), "size": a.Size.ValueString()})
	if err != nil {
		r.Diagnostics.AddError("make the machine", err.Error())
		return
	}
	a.ID, a.Address, a.HostKey = types.StringValue(got.ID), types.StringValue(got.Address), types.StringValue(got.HostKey)
	r.Diagnostics.Append(r.State.Set(ctx, &a)...)
}

func (m *machine) Read(ctx context.Context, q resource.ReadRequest, r *resource.ReadResponse) {
	var a attributes
	r.Diagnostics.Append(q.State.Get(ctx, &a)...)
	got, there, err := m.do(ctx, http.MethodGet, "/machines/"+a.ID.ValueString(), nil)
	switch {
	case err != nil:
		r.Diagnostics.AddError("look at the machine", err.Error())
	case !there:
		r.State.RemoveResource(ctx)
	default:
		a.Address, a.HostKey = types.StringValue(got.Address), types.StringValue(got.HostKey)
		r.Diagnostics.Append(r.State.Set(ctx, &a)...)
	}
}

func (m *machine) Update(ctx context.Context, q resource.UpdateRequest, r *resource.UpdateResponse) {
	var a attributes
	r.Diagnostics.Append(q.Plan.Get(ctx, &a)...)
	if _, _, err := m.do(ctx, http.MethodPut, "/machines/"+a.ID.ValueString(), map[string]string{"size": a.Size.ValueString()}); err != nil {
		r.Diagnostics.AddError("change the machine", err.Error())
		return
	}
	r.Diagnostics.Append(r.State.Set(ctx, &a)...)
}

func (m *machine) Delete(ctx context.Context, q resource.DeleteRequest, r *resource.DeleteResponse) {
	var a attributes
	r.Diagnostics.Append(q.State.Get(ctx, &a)...)
	if _, _, err := m.do(ctx, http.MethodDelete, "/machines/"+a.ID.ValueString(), nil); err != nil {
		r.Diagnostics.AddError("destroy the machine", err.Error())
	}
}
