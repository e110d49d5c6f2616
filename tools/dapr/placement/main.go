// Command placement is the Dapr placement binary, built from the pinned Go module.
package main

import "github.com/dapr/dapr/cmd/placement/app"

func main() { app.Run() }
