// Command scheduler is the Dapr scheduler binary, built from the pinned Go module.
package main

import "github.com/dapr/dapr/cmd/scheduler/app"

func main() { app.Run() }
