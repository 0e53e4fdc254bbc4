return KvShiftScale.Simulation.SimulateCommand.Run(args);
