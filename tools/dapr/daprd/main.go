// Command daprd is the Dapr daprd binary, built from the pinned Go module.
package main

import "github.com/dapr/dapr/cmd/daprd/app"

func main() { app.Run() }
