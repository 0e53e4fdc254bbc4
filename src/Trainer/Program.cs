using KvShiftScale.Trainer;

return CommandLine.Run(args);
